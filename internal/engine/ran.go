package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// mostAsked bounds how many workloads of a release are asked what they run.
const mostAsked = 10

// sayRan puts the digests of the images that its Pods run into a release that has just got well: what a tag meant then, nobody can tell later. Was is how far the
// releases were.
func (e *Engine) sayRan(ctx context.Context, m *memory, l *look, was release.State, records []release.Release) {
	isWell := func(p release.Phase) bool { return p == release.Verifying || p == release.Succeeded }
	cur := &m.releases.Current
	if !isWell(cur.Phase) || was.Current.Serial == cur.Serial && isWell(was.Current.Phase) {
		return
	}
	images := l.ran(ctx, cur.Want.Images)
	if images == cur.Want.Images {
		return
	}
	of := cur.Want.Digest
	wants := []*release.Want{&cur.Want, &m.releases.Released, &m.releases.Good}
	for i := range records {
		if records[i].Serial == cur.Serial && isWell(records[i].Phase) {
			wants = append(wants, &records[i].Want)
		}
	}
	for _, w := range wants {
		if w.Digest == of {
			w.Images = images
		}
	}
}

// ran returns images, one a line, with the digests that Pods say they are. Those of which none does, or whose Pods may not be read, stay as they are.
func (l *look) ran(ctx context.Context, images string) string {
	named := map[string]map[string]bool{} // with what is said of each
	for image := range strings.Lines(images) {
		if image = strings.TrimSuffix(image, "\n"); !strings.Contains(image, "@") {
			named[image] = map[string]bool{}
		}
	}
	asked := 0
	for _, k := range slices.SortedFunc(maps.Keys(l.m.placed.objects), object.Key.Compare) {
		o := l.m.placed.objects[k]
		selector, _ := o.At("spec", "selector").(map[string]any)
		if !isWorkload(k) || len(selector) == 0 || o.At("spec", "replicas") == int64(0) || !runsUnsaid(o, named) {
			continue
		}
		if asked++; asked > mostAsked {
			break
		}
		pods, err := l.session.Pods(ctx, k.Namespace, selector)
		if err != nil {
			continue
		}
		for _, p := range pods {
			for image, full := range health.Runs(p) {
				if said := named[image]; said != nil {
					said[full] = true
				}
			}
		}
	}
	var out []string
	for image := range strings.Lines(images) {
		image = strings.TrimSuffix(image, "\n")
		if said := named[image]; len(said) > 0 { // of more than one if its tag was moved meanwhile
			out = slices.AppendSeq(out, maps.Keys(said))
		} else {
			out = append(out, image)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// runsUnsaid reports whether an object runs one of the images of which nothing is said yet.
func runsUnsaid(o object.Object, named map[string]map[string]bool) bool {
	for image := range strings.Lines(imagesOf([]object.Object{o})) {
		if said := named[strings.TrimSuffix(image, "\n")]; said != nil && len(said) == 0 {
			return true
		}
	}
	return false
}
