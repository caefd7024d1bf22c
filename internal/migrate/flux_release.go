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
		}
		if v.flag("optional") {
			one["optional"] = true
		}
		rest = append(rest, one)
	}
	if len(rest) > 0 {
		helm["valuesFrom"] = rest
	}
	install, upgrade := spec.sub("install"), spec.sub("upgrade")
	d.makes = install.flag("createNamespace")
	if install.text("crds") == "Skip" {
		helm["skipCRDs"] = true
	}
	for _, s := range []*fields{install, upgrade} {
		s.skip("crds", "remediation", "timeout", "strategy", "replace", "force", "cleanupOnFailure", "disableWait", "disableWaitForJobs", "skipCRDs", "disableTakeOwnership")
	}
	spec.skip("interval", "timeout", "rollback", "uninstall", "maxHistory", "persistentClient", "waitStrategy")
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
	f.leave(d.about, spec, map[string]string{
		"postRenderers":  "write a kustomization.yaml with helmCharts and the patches beside it",
		"kubeConfig":     "another cluster: let it run a Fairlead of its own",
		"commonMetadata": "write a kustomization.yaml with helmCharts and labels",

		"driftDetection.ignore":  "mark the objects with fairlead.dev/ignore, and these paths, where they are fields that Git says and others change",
		"test.enable":            "name the tests of the chart under release.verify: see docs/tasks/verification.md",
		"test.filters":           "name the tests of the chart under release.verify: see docs/tasks/verification.md",
		"upgrade.preserveValues": "values of earlier releases do not count: write them all down",
		"chart.spec.verify":      "to have charts refused that nobody signed, set verify under spec.render.charts of the Environment",
		"chart.spec.valuesFiles": "name files of the repository under helm.valueFiles, and copy what only the chart has",
	})
	f.file(o, d, "fairlead.yaml", map[string]any{"helm": helm})
	f.charted(o, d)
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
	c := spec.sub("chart").sub("spec")
	c.skip("interval", "reconcileStrategy")
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
		dir, _ := within(c.text("chart"))
		return "/" + dir, true
	}
	f.note(about(o), "spec.chart.spec.sourceRef", "a %s is no source of Fairlead's", kind)
	return nil, false
}
