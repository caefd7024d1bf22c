package demo

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// versions are those that web goes through. They exist, so that a real node can pull them.
var versions = []string{"3.5", "3.6", "3.7", "3.8", "3.9", "3.10"}

// commit pushes new versions and measures, by a watch, when the Deployment has them.
func (t *tour) commit(ctx context.Context) error {
	const file, app = "apps/web/staging/kustomization.yaml", "staging-web"
	s := t.screen
	web, err := t.kube.follow(ctx, "Deployment", placeOf("staging"), "web")
	if err != nil {
		return err
	}
	var times timings
	var last push
	from := t.apps.mark()
	for i, v := range versions[1:] {
		s.doing("pushing version " + v)
		if last, err = t.git.push(ctx, "web: "+v+" in staging", replace(file, quoted(versions[i]), quoted(v))); err != nil {
			return err
		}
		seen, err := web.find(ctx, "the new image in the Deployment", "", func(s sighting) bool {
			return strings.HasSuffix(image(s.obj), ":"+v)
		})
		if err != nil {
			return err
		}
		times = append(times, seen.at.Sub(last.at))
	}
	s.command("git push     # " + fmt.Sprintf("%d times: web %s … %s", len(times), versions[1], versions[len(versions)-1]))
	s.ok("the Deployment had the new image after each push", t.measured("push to applied", times...).String())
	s.note("from when the Git server had the commit to the event of a watch: " + times.each())

	s.doing("waiting for the rollout")
	names := []string{app}
	at, err := t.await(ctx, from, at(last.commit, names), well(names))
	if err != nil {
		return err
	}
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	a := now[app].Status.Applied
	s.ok("rolled out and healthy", span(at.Sub(last.at)))
	s.note(fmt.Sprintf("App %s has applied %s by %s: %s", app, a.Short, a.Author, a.Subject))
	return nil
}

func quoted(s string) string { return `"` + s + `"` }

// image is what the first container of a Deployment runs.
func image(deployment *unstructured.Unstructured) string {
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if len(containers) == 0 {
		return ""
	}
	c, _ := containers[0].(map[string]any)
	image, _ := c["image"].(string)
	return image
}
