package migrate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// release makes an app of a HelmRelease: a directory whose fairlead.yaml names the chart and its values.
func (f flux) release(o object.Object) {
	spec := specOf(o)
	d := delivery{about: about(o), from: from(o), home: f.home(o.Namespace()), charts: map[string]string{}}
	if f.elsewhere(o, spec) {
		return
	}
	chart, ok := f.chart(o, spec, d)
	if !ok {
		return
	}
	into := cmp.Or(spec.text("targetNamespace"), o.Namespace())
	release := spec.text("releaseName")
	if release == "" {
		release = o.Name()
		if t := spec.text("targetNamespace"); t != "" {
			release = t + "-" + o.Name() // as Flux does it
		}
		release = shortened(release)
	}
	if kept := cmp.Or(spec.text("storageNamespace"), o.Namespace()); kept != into {
		f.note(d.about, "spec.storageNamespace", "Helm's records of the release are in namespace %s; Fairlead keeps them where the release is, in %s, and 'helm history' begins anew there", kept, into)
	}
	d.name, d.into, d.account = o.Name(), into, spec.text("serviceAccountName")
	f.suspension(spec, &d)
	helm := map[string]any{"chart": chart, "releaseName": release}
	var rest []any
	for _, v := range spec.items("valuesFrom") {
		one := map[string]any{"kind": v.text("kind"), "name": v.text("name")}
		f.moved(o, "spec.valuesFrom", v.text("kind"), v.text("name"))
		if key := v.text("valuesKey"); key != "" {
			one["valuesKey"] = key
		}
		if target := v.text("targetPath"); target != "" {
			one["targetPath"] = target
			if !v.flag("literal") {
				f.note(d.about, "spec.valuesFrom[].targetPath", "what is put at %s is a text, where Flux takes it as --set does, 3 as a number and true as a truth: templates may tell the difference", target)
			}
		}
		if v.flag("optional") {
			one["optional"] = true
		}
		rest = append(rest, one)
	}
	if len(rest) > 0 {
		helm["valuesFrom"] = rest
	}
	declared := map[string]any{"helm": helm}
	f.actions(spec, &d, declared)
	drift := spec.sub("driftDetection")
	switch drift.text("mode") {
	case "enabled":
	case "warn":
		d.keeps = true
		f.note(d.about, "spec.driftDetection.mode", "hand edits are only reported today, so the Environment has sync.drift: Report")
	default:
		f.note(d.about, "spec.driftDetection", "hand edits stay today, and are undone by Fairlead: to leave them, set sync.drift: Report in the Environment")
	}
	test := spec.sub("test")
	test.skip("timeout", "ignoreFailures")
	f.waits(o, spec, &d)
	if values, _ := spec.value("values").(map[string]any); len(values) > 0 {
		helm["values"] = values
	}
	f.leave(d.about, spec, adviceRelease)
	f.file(o, d, "fairlead.yaml", declared)
	f.charted(o, d)
}

// actions are what is said of installing, upgrading, going back and uninstalling.
func (f flux) actions(spec *fields, d *delivery, declared map[string]any) {
	install, upgrade, rollback, uninstall := spec.sub("install"), spec.sub("upgrade"), spec.sub("rollback"), spec.sub("uninstall")
	d.makes = install.flag("createNamespace")
	helm, _ := declared["helm"].(map[string]any)
	skips, updates := install.flag("skipCRDs") || install.text("crds") == "Skip", upgrade.text("crds")
	if skips {
		helm["skipCRDs"] = true
	}
	switch {
	case skips && updates != "" && updates != "Skip":
		f.note(d.about, "spec.upgrade.crds", "the chart's definitions are left out altogether, since an install does so: to have them applied and updated, remove skipCRDs from fairlead.yaml")
	case !skips && updates == "Skip":
		f.note(d.about, "spec.upgrade.crds", "the chart's definitions are updated with it, and never deleted: to leave them as they are, set helm.skipCRDs in fairlead.yaml")
	}
	if slow := longest(spec, install, upgrade); slow != "" {
		declared["health"] = map[string]any{"deadline": slow}
	}
	if n, _ := number(spec.m["maxHistory"]); n == 10 {
		spec.skip("maxHistory")
	}
	// How it is applied and waited for, which is done one way alone, and what uses no name or cluster otherwise.
	install.skip("replace")
	uninstall.skip("disableWait")
	for _, s := range []*fields{install, upgrade, rollback, uninstall} {
		s.skip("timeout", "strategy", "serverSideApply")
	}
	spec.skip("interval", "persistentClient", "waitStrategy")
}

// number is a whole number, however it was read.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), true
	}
	return 0, false
}

// shortened is the name of a release as Flux has it: of what is too long for Helm, the begin and a hash.
func shortened(name string) string {
	const most, digits = 53, 12
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-digits-1] + "-" + hex.EncodeToString(sum[:])[:digits]
}

// chart is where a HelmRelease has its chart from, as fairlead.yaml says it.
func (f flux) chart(o object.Object, spec *fields, d delivery) (any, bool) {
	if spec.has("chartRef") {
		r := spec.sub("chartRef")
		source := f.sources[object.Key{Group: fluxSource, Kind: r.text("kind"), Namespace: cmp.Or(r.text("namespace"), o.Namespace()), Name: r.text("name")}]
		if source.IsZero() || source.Kind() != "OCIRepository" {
			f.note(about(o), "spec.chartRef", "%s %s is not among the objects, or no OCIRepository: nothing can be made of this without it", r.text("kind"), r.text("name"))
			return nil, false
		}
		url := source.Text("spec", "url")
		if secret := source.Text("spec", "secretRef", "name"); secret != "" {
			d.charts["oci://"+path.Dir(strings.TrimPrefix(url, "oci://"))] = secret
		}
		if says(source.At("spec", "verify")) {
			f.note(about(o), "spec.chartRef", "%s is verified today: to have charts refused that nobody signed, set verify under spec.render.charts of the Environment", named(source))
		}
		what, _ := followed(source)
		return map[string]any{"repository": "oci://" + path.Dir(strings.TrimPrefix(url, "oci://")), "name": path.Base(url), "version": what.name}, true
	}
	template := spec.sub("chart")
	template.skip("metadata") // of the HelmChart, which there is none of
	c := template.sub("spec")
	c.skip("interval")
	strategy := c.text("reconcileStrategy")
	r := c.sub("sourceRef")
	kind, name, namespace := r.text("kind"), r.text("name"), cmp.Or(r.text("namespace"), o.Namespace())
	source := f.sources[object.Key{Group: fluxSource, Kind: kind, Namespace: namespace, Name: name}]
	switch {
	case source.IsZero():
		f.note(about(o), "spec.chart.spec.sourceRef", "%s %s/%s is not among the objects: nothing can be made of this without it", kind, namespace, name)
		return nil, false
	case kind == "HelmRepository":
		out := map[string]any{"repository": source.Text("spec", "url"), "name": c.text("chart"), "version": cmp.Or(c.text("version"), "*")}
		if secret := source.Text("spec", "secretRef", "name"); secret != "" {
			d.charts[source.Text("spec", "url")] = secret
			if namespace != d.home {
				f.note(about(o), "spec.chart.spec.sourceRef", "the Secret %s has to be in %s, beside the Environment", secret, d.home)
			}
		}
		return out, true
	case kind == "GitRepository":
		if name != f.written(f.home(o.Namespace())) {
			f.note(about(o), "spec.chart", "the chart is in another repository than the one that the written files are for: name it with --repository %s, or put the chart beside the app", name)
		}
		if strategy != "Revision" {
			f.note(about(o), "spec.chart.spec.reconcileStrategy", "a change of the chart counts when its version changes today, and at once with Fairlead, like any other file in Git")
		}
		dir, _ := within(c.text("chart"))
		return "/" + dir, true
	}
	f.note(about(o), "spec.chart.spec.sourceRef", "a %s is no source of Fairlead's", kind)
	return nil, false
}
