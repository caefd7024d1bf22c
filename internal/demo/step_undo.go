package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// person is the field manager of kubectl edit.
const person = "kubectl-edit"

// undo changes objects by hand, in every way that there is, and measures when they are as they were.
func (t *tour) undo(ctx context.Context) error {
	s, place := t.screen, placeOf("production-eu")
	from := t.apps.mark()
	var times timings
	for _, service := range services {
		s.doing("editing ConfigMap " + service)
		took, err := t.undone(ctx, thing{"ConfigMap", place, service}, person,
			map[string]any{"data": map[string]any{"LOG_LEVEL": "trace"}},
			func(u *unstructured.Unstructured) bool { return field(u, "data", "LOG_LEVEL") == "info" })
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	s.command("kubectl edit configmap -n " + place + " web     # and of four more services: LOG_LEVEL: trace")
	s.ok("LOG_LEVEL is info again", t.measured("edit to undone", times...).String())
	s.note("from the answer to the edit to the event of a watch: " + times.each())

	took, err := t.undone(ctx, thing{"ConfigMap", place, "cart"}, person,
		map[string]any{"data": map[string]any{"FREE_SHIPPING": "yes"}},
		func(u *unstructured.Unstructured) bool { return field(u, "data", "FREE_SHIPPING") == "" })
	if err != nil {
		return err
	}
	s.command("kubectl edit configmap -n " + place + " cart    # adds a key that Git never had")
	s.ok("the key is gone", t.measured("added key to removed", took).String())

	took, err = t.undone(ctx, thing{"Deployment", place, "catalog"}, "kubectl-label",
		map[string]any{"metadata": map[string]any{"labels": map[string]any{"fairlead.dev/app": nil}}},
		func(u *unstructured.Unstructured) bool {
			return u.GetLabels()["fairlead.dev/app"] == "production-eu-catalog"
		})
	if err != nil {
		return err
	}
	s.command("kubectl label deployment -n " + place + " catalog fairlead.dev/app-     # hides it from its owner")
	s.ok("the label is back", t.measured("owner label stripped to back", took).String())

	if took, err = t.deleted(ctx, thing{"Service", place, "api"}); err != nil {
		return err
	}
	s.command("kubectl delete service -n " + place + " api")
	s.ok("the Service is there again", t.measured("deleted object to back", took).String())
	return t.blame(ctx, from)
}

// undone edits an object and measures from the answer until it is as it was.
func (t *tour) undone(ctx context.Context, o thing, as string, change map[string]any, was func(*unstructured.Unstructured) bool) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := t.kube.follow(ctx, o.kind, o.namespace, o.name)
	if err != nil {
		return 0, err
	}
	edited, err := t.kube.edit(ctx, o, as, change)
	if err != nil {
		return 0, fmt.Errorf("edit %s: %w", o, err)
	}
	answered := time.Now()
	if was(edited) {
		return 0, fmt.Errorf("edit %s: the edit changed nothing", o)
	}
	seen, err := f.find(ctx, "the edit of "+o.String()+" to be undone", edited.GetResourceVersion(), func(s sighting) bool { return !s.gone && was(s.obj) })
	return max(0, seen.at.Sub(answered)), err
}

// deleted deletes an object and measures from the answer until there is a new one.
func (t *tour) deleted(ctx context.Context, o thing) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := t.kube.follow(ctx, o.kind, o.namespace, o.name)
	if err != nil {
		return 0, err
	}
	old, err := f.find(ctx, o.String(), "", func(s sighting) bool { return !s.gone })
	if err != nil {
		return 0, err
	}
	if err := t.kube.of(o.kind, o.namespace).Delete(ctx, o.name, metav1.DeleteOptions{}); err != nil {
		return 0, fmt.Errorf("delete %s: %w", o, err)
	}
	answered := time.Now()
	seen, err := f.find(ctx, o.String()+" to be back", "", func(s sighting) bool { return !s.gone && s.obj.GetUID() != old.obj.GetUID() })
	return max(0, seen.at.Sub(answered)), err
}

// blame shows who did it, as the status and the Events say.
func (t *tour) blame(ctx context.Context, from mark) error {
	s := t.screen
	s.doing("reading who did it")
	_, err := t.await(ctx, from, well(names([]string{"production-eu"}, services)), func(all apps) string {
		if last := all["production-eu-web"].Status.Drift.Last; len(last) == 0 || last[0].Manager != person {
			return "the status of production-eu-web does not name " + person
		}
		return ""
	})
	if err != nil {
		return err
	}
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	edits := int64(0)
	for _, a := range now {
		edits += a.Status.Drift.Total
	}
	s.ok(fmt.Sprintf("%d hand edits are in the status of their Apps, with who and what", edits), "")
	d := now["production-eu-web"].Status.Drift.Last[0]
	s.note(fmt.Sprintf("App production-eu-web, status.drift.last: manager %s, object %s, fields %s, outcome %s",
		d.Manager, d.Object, strings.Join(d.Fields, ", "), d.Outcome))
	events, err := t.kube.follow(ctx, "Event", tenantNamespace, "")
	if err != nil {
		return err
	}
	seen, err := events.find(ctx, "an Event that tells of the edit", "", func(s sighting) bool {
		return field(s.obj, "reason") == "DriftUndone" && field(s.obj, "regarding", "name") == "production-eu-web"
	})
	if err != nil {
		return err
	}
	s.note("Event DriftUndone: " + field(seen.obj, "note"))
	return nil
}

// field is a text in an object; empty if there is none.
func field(u *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(u.Object, path...)
	return text
}
