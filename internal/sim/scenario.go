package sim

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// Scenario is a story: what people do, one after the other. Read by [Scenarios] from an archive, whose comment is the story:
//
//	rest                            wait until all is at rest before what is next; without it, anything may still be under way
//	wait                            the same, but what there is then is not compared: it may depend on what went wrong before
//	apply FILE                      create or change the objects of a file, as kubectl apply
//	commit REPO BRANCH DIR          write the files below DIR on top of the branch; an empty file removes the path
//	force REPO BRANCH DIR           the same instead of the branch's newest commit
//	branch REPO NEW OLD             let a branch begin where another one is
//	drop REPO BRANCH                delete a branch
//	edit KIND NAMESPACE/NAME JSON   change an object by hand, as kubectl edit
//	as MANAGER KIND … JSON          the same as another field manager
//	remake FILE                     delete the objects of a file and create them anew, at once
//	delete KIND NAMESPACE/NAME      delete an object by hand
//	approve NAMESPACE/APP           approve what an App holds
//	replicas N                      let so many controllers share the apps, from now on; in such a story one is alone before
//	pause N                         let the N-th of them stand still for a while, while all else goes on
//	freeze N                        the same, until somebody thaws it: people go on, too
//	thaw                            let those go on that stand still
//	stop                            stop the controller, as a power cut does; all of them, if there are several
//	start                           start one
//	twin                            start another one beside it, which believes that everything is its own, as does the first
//	deaf                            break off every watch of the controller; what happens is not told to it
//	hear                            let it watch again, after the history was forgotten: it has to list
//	pass NAME DURATION              let time pass in which nothing happens; what comes later than that names it "time NAME"
//	never REPO BRANCH DIR           nobody does that: the branch must not be moved to the commit of DIR, nor to one that has it
//	later KIND NS/NAME KIND NS/NAME nobody does that: the first object must not be made before the second one is ready
type Scenario struct {
	Name string
	Acts []Act
	course
	shares, twins bool // several controllers share the apps, or each believes that everything is its own
	// releases says that it has gates, trials or Notifiers: who plays it looks at their kinds, too, asks, tells and remembers. Any other story would only take longer.
	releases bool
	pushes   bool // controllers move branches
	// later are pairs of objects: the first is not made before the second is ready.
	later [][2]string
	// never are commits that a branch must not have, by repository and branch.
	never []ban
}

// ban is a commit that a branch must not have.
type ban struct{ repo, branch, dir string }

// Act is one thing that people do. Await lets all come to rest before.
type Act struct {
	Name  string
	Await bool
	// compare says that what there is before is what there is without faults.
	compare bool
	do      func(*world) error
}

//go:embed testdata/scenario/*.txtar
var stories embed.FS

// Scenarios are all scenarios, by name.
var Scenarios = sync.OnceValue(func() []Scenario {
	files, err := stories.ReadDir("testdata/scenario")
	if err != nil {
		panic(err)
	}
	out := make([]Scenario, 0, len(files))
	for _, f := range files {
		data, err := stories.ReadFile(path.Join("testdata/scenario", f.Name()))
		if err != nil {
			panic(err)
		}
		s, err := parse(strings.TrimSuffix(f.Name(), ".txtar"), txtar.Parse(data))
		if err != nil {
			panic(fmt.Sprintf("scenario %s: %v", f.Name(), err))
		}
		out = append(out, s)
	}
	return out
})

// Find is the scenario of a name.
func Find(name string) (Scenario, error) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, fmt.Errorf("there is no scenario %q", name)
	}
	return all[i], nil
}

// story is a scenario while it is read.
type story struct {
	files map[string]string
	repos map[string]*repo // as they are after the acts so far: trees are made once for all runs
}

func parse(name string, ar *txtar.Archive) (Scenario, error) {
	st := story{files: map[string]string{}, repos: map[string]*repo{}}
	for _, f := range ar.Files {
		st.files[f.Name] = string(f.Data)
	}
	s := Scenario{Name: name, releases: st.has("kind: Notifier", "gates:", "verify:"), pushes: st.has("candidate:", "revert:"), course: course{Rests: st.files["rests"], Deleted: st.files["deleted"], End: st.files["end"]}}
	await, compare := false, false
	for line := range strings.Lines(string(ar.Comment)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case line == "rest", line == "wait":
			await, compare = true, line == "rest"
			continue
		}
		words := strings.Fields(line)
		if words[0] == "later" && len(words) == 5 {
			s.later = append(s.later, [2]string{words[1] + " " + words[2], words[3] + " " + words[4]})
			continue
		}
		if words[0] == "never" && len(words) == 4 {
			s.never = append(s.never, ban{words[1], words[2], words[3]})
			continue
		}
		s.shares, s.twins = s.shares || words[0] == "replicas", s.twins || words[0] == "twin"
		do, err := st.act(words)
		if err != nil {
			return s, fmt.Errorf("%s: %w", line, err)
		}
		s.Acts = append(s.Acts, Act{Name: line, Await: await, compare: compare, do: do})
		await, compare = false, false
	}
	return s, nil
}

// has reports whether one of its files has one of these words.
func (st story) has(words ...string) bool {
	for _, text := range st.files {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
	}
	return false
}

func (st story) act(words []string) (func(*world) error, error) {
	verb, args := words[0], words[1:]
	need := map[string]int{"apply": 1, "remake": 1, "commit": 3, "force": 3, "branch": 3, "drop": 2, "edit": 3, "as": 4, "delete": 2, "approve": 1, "stop": 0, "start": 0, "twin": 0, "deaf": 0, "hear": 0, "replicas": 1, "pause": 1, "freeze": 1, "thaw": 0, "pass": 2}
	if n, ok := need[verb]; !ok || len(args) < n {
		return nil, fmt.Errorf("%s needs %d words", verb, n)
	}
	switch verb {
	case "apply":
		objs, err := st.objects(args[0])
		return func(w *world) error { return w.apply(objs) }, err
	case "remake":
		objs, err := st.objects(args[0])
		return func(w *world) error { return w.remake(objs) }, err
	case "commit", "force":
		return st.commit(verb == "force", args[0], args[1], args[2])
	case "branch":
		st.repos[args[0]].branches[args[1]] = st.repos[args[0]].branches[args[2]]
		return func(w *world) error {
			r := w.repo(args[0])
			r.branches[args[1]] = r.branches[args[2]]
			return nil
		}, nil
	case "drop":
		return func(w *world) error { delete(w.repo(args[0]).branches, args[1]); return nil }, nil
	case "edit":
		return edit("kubectl-edit", args[0], args[1], strings.Join(args[2:], " "))
	case "as":
		return edit(args[0], args[1], args[2], strings.Join(args[3:], " "))
	case "delete":
		return func(w *world) error { return w.remove(args[0], args[1]) }, nil
	case "approve":
		return func(w *world) error { return w.approve(args[0]) }, nil
	case "pass":
		d, err := time.ParseDuration(args[1])
		return func(w *world) error { w.pass(args[0], d); return nil }, err
	case "replicas", "pause", "freeze":
		n, err := strconv.Atoi(args[0])
		return func(w *world) error { w.operateOn(verb, n); return nil }, err
	default:
		return func(w *world) error { w.operate(verb); return nil }, nil
	}
}

func (st story) objects(file string) ([]*unstructured.Unstructured, error) {
	text, ok := st.files[file]
	if !ok {
		return nil, fmt.Errorf("there is no file %s", file)
	}
	var out []*unstructured.Unstructured
	for doc := range strings.SplitSeq(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(u.Object) > 0 {
			out = append(out, u)
		}
	}
	return out, nil
}

// commit makes the trees of a commit at once: every run has the same.
func (st story) commit(force bool, name, branch, dir string) (func(*world) error, error) {
	changes := sourcetest.Files{}
	for f, text := range st.files {
		if rest, ok := strings.CutPrefix(f, dir+"/"); ok {
			if file, target, link := strings.Cut(rest, " -> "); link {
				rest, text = file, sourcetest.Link(target)
			}
			changes[rest] = text
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("there is no file below %s", dir)
	}
	r := st.repos[name]
	if r == nil {
		r = newRepo()
		st.repos[name] = r
	}
	parent := r.branches[branch]
	if force {
		parent = r.commits[parent].parent
	}
	id, c := r.make(parent, dir, changes)
	r.add(branch, id, c)
	return func(w *world) error {
		c := c
		c.at = w.now
		w.repo(name).add(branch, id, c)
		return nil
	}, nil
}
