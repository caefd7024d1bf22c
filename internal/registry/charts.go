package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/archive"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Wish is a chart that somebody wants.
type Wish struct {
	// URL is that of a chart repository, https://…, or of a registry, oci://host/path, below which Name is.
	URL, Name string
	// Version is a version, a range of them, or empty, for the newest. A digest may follow a version after an @, or stand alone.
	Version string
	Access  Access
	Trust   Trust
}

// String is the wish as people read it.
func (w Wish) String() string {
	return strings.TrimSpace("chart "+w.Name+" "+w.Version) + " of " + w.URL
}

// Key names what a wish came to. Who has other credentials, or trusts others, has another one.
func (w Wish) Key() string {
	return digestOf(w.URL, w.Name, w.Version, w.Access.id(), w.Trust.ID())
}

// Place names the repository that a wish asks, and as whom: one question there is for all its wishes.
func (w Wish) Place() string { return digestOf(w.URL, w.Access.id()) }

// Moves reports whether a wish may come to another chart later: it is a range.
func (w Wish) Moves() bool {
	version, pin, err := w.split()
	return err == nil && pin == "" && !isExact(version)
}

// split takes the digest off a version.
func (w Wish) split() (version, pin string, err error) {
	version, pin, pinned := strings.Cut(w.Version, "@")
	if !pinned && strings.HasPrefix(version, "sha256:") {
		version, pin, pinned = "", version, true
	}
	if pinned && !digestForm.MatchString(pin) {
		return "", "", fault.Newf(fault.Invalid, "%q is no digest: want sha256: and 64 digits in lower case", clip(pin))
	}
	if pinned && version != "" && !isExact(version) {
		return "", "", fault.Newf(fault.Invalid, "%q is no exact version, and so has no digest", clip(version))
	}
	return version, pin, nil
}

// Chart is what a wish came to.
type Chart struct {
	Name, Version string
	// Digest is that of the manifest in a registry, or of the archive of a chart repository: what people pin. Content is that of the archive.
	Digest, Content string
	// Signer is who vouched for it, if that was asked for.
	Signer string
	// Tree is its files: Chart.yaml is at the root.
	Tree source.Tree
}

// record is what a wish came to, as it is kept.
type record struct {
	URL     string    `json:"url"`
	Name    string    `json:"name"`
	Asked   string    `json:"asked"`
	Version string    `json:"version"`
	Digest  string    `json:"digest"`
	Content string    `json:"content"`
	Signer  string    `json:"signer,omitempty"`
	Since   time.Time `json:"since"`
}

// Charts fetches and keeps charts. It is safe for concurrent use.
type Charts struct {
	o     Options
	store store

	mu    sync.Mutex
	busy  map[string]*sync.Mutex // by place and by wish: who talks to a repository, or fetches a chart
	trees []parsed               // the charts that were read last
	used  map[string]time.Time   // when a blob was said to be in use
	asked map[string]time.Time   // when an index was answered, by place
}

type parsed struct {
	content string
	tree    *archive.Tree
}

// What is kept in the directory.
const (
	kindBlob   = "blobs"
	kindRecord = "records"
	kindIndex  = "indexes"
)

// maxTrees and maxTreeBytes bound the charts that are kept unpacked in memory.
const (
	maxTrees     = 100
	maxTreeBytes = 128 << 20
)

// KeepCharts keeps charts in a directory, which is made when the first is kept: a directory that cannot be written concerns those alone who ask for a chart.
func KeepCharts(dir string, o Options) *Charts {
	o = o.withDefaults()
	return &Charts{o: o, store: store{dir, o.MaxCache, o.Now}, busy: map[string]*sync.Mutex{}, used: map[string]time.Time{}, asked: map[string]time.Time{}}
}

// Known returns what a wish came to before, without asking anybody. It is false if that is not known, or not at hand.
func (c *Charts) Known(w Wish) (Chart, bool) {
	r, ok := c.record(w)
	if !ok {
		return Chart{}, false
	}
	tree, err := c.tree(r.Content)
	if err != nil {
		return Chart{}, false
	}
	c.use(w.Key(), r.Content)
	return r.chart(tree), true
}

func (r record) chart(tree source.Tree) Chart {
	return Chart{Name: r.Name, Version: r.Version, Digest: r.Digest, Content: r.Content, Signer: r.Signer, Tree: tree}
}

func (c *Charts) record(w Wish) (record, bool) {
	var r record
	ok := c.store.readJSON(kindRecord, w.Key(), &r) && r.URL == w.URL && r.Asked == w.Version && digestForm.MatchString(r.Content) && digestForm.MatchString(r.Digest)
	return r, ok
}

// use keeps what is used from being dropped for what is not.
func (c *Charts) use(key, content string) {
	c.mu.Lock()
	now := c.o.Now()
	late := now.Sub(c.used[key]) > time.Hour
	if late {
		if len(c.used) > 10_000 {
			clear(c.used)
		}
		c.used[key] = now
	}
	c.mu.Unlock()
	if late {
		c.store.touch(kindRecord, key)
		c.store.touch(kindBlob, hexOf(content))
	}
}

// Find returns what a wish came to before, or else asks for it and fetches it. It blocks meanwhile.
func (c *Charts) Find(ctx context.Context, w Wish) (Chart, error) {
	if found, ok := c.Known(w); ok {
		return found, nil
	}
	defer c.lock(w.Key())()
	if found, ok := c.Known(w); ok {
		return found, nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	l, err := c.look(ctx, []Wish{w}, fresh)
	if err != nil {
		return Chart{}, fmt.Errorf("fetch %s: %w", w, err)
	}
	if l[0].Err != nil {
		return Chart{}, fmt.Errorf("fetch %s: %w", w, l[0].Err)
	}
	return l[0].Chart, nil
}

// News is what a look found out about a wish.
type News struct {
	Wish  Wish
	Chart Chart // what it comes to now; what it came to before, if there is an Err
	// Changed says that it is not what it was.
	Changed bool
	Err     error
}

// Look asks again what wishes come to, all of one [Wish.Place]: an HTTP repository once, and whether its index changed at all; a registry once for each chart,
// for its tags. What came to something already is not fetched again. The error is that nothing could be asked; then nothing has changed.
func (c *Charts) Look(ctx context.Context, wishes []Wish) ([]News, error) {
	if len(wishes) == 0 {
		return nil, nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	news, err := c.look(ctx, wishes, 0)
	if err != nil {
		return nil, fmt.Errorf("ask %s for charts: %w", wishes[0].URL, err)
	}
	return news, nil
}

func (c *Charts) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.o.Timeout)
}

// lock lets one at a time do something of a name; the caller calls what it returns.
func (c *Charts) lock(name string) func() {
	c.mu.Lock()
	l := c.busy[name]
	if l == nil {
		if len(c.busy) > 10_000 { // names of what is long gone; who waits has his lock
			clear(c.busy)
		}
		l = &sync.Mutex{}
		c.busy[name] = l
	}
	c.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// candidate is which chart a wish comes to, before it is fetched.
type candidate struct {
	version string
	digest  string   // as the index has it, or of the manifest; empty if nobody says
	urls    []string // of the archive in an HTTP repository
}

// remoteCharts is one repository, of either kind.
type remoteCharts interface {
	// choose returns which chart a wish comes to now.
	choose(ctx context.Context, w Wish) (candidate, error)
	// fetch returns the archive of a candidate, its digest and who vouched for it.
	fetch(ctx context.Context, w Wish, of candidate) (fetched, error)
	close()
}

type fetched struct {
	archive        []byte
	digest, signer string
}

// fresh is how old an index may be for a chart that was never looked for: many apps begin at the same time.
const fresh = 30 * time.Second

// look asks one repository what wishes come to. An index that is not older than that is not asked for again.
func (c *Charts) look(ctx context.Context, wishes []Wish, age time.Duration) ([]News, error) {
	from, err := c.open(ctx, wishes[0], age)
	if err != nil {
		return nil, err
	}
	defer from.close()
	out := make([]News, len(wishes))
	for i, w := range wishes {
		out[i] = c.lookOne(ctx, from, w)
	}
	return out, nil
}

func (c *Charts) open(ctx context.Context, w Wish, age time.Duration) (remoteCharts, error) {
	switch {
	case IsOCI(w.URL):
		return openOCICharts(w, c.o), nil
	case strings.HasPrefix(w.URL, "https://"), strings.HasPrefix(w.URL, "http://"):
		return c.openIndex(ctx, w, age)
	}
	return nil, fault.Newf(fault.Invalid, "%q is no address of charts: it begins with https:// or oci://", clip(w.URL))
}

func (c *Charts) lookOne(ctx context.Context, from remoteCharts, w Wish) News {
	n := News{Wish: w}
	before, known := c.record(w)
	if known {
		if tree, err := c.tree(before.Content); err == nil {
			n.Chart = before.chart(tree)
		} else {
			known = false // it is fetched again
		}
	}
	if known && !w.Moves() {
		return n
	}
	of, err := c.chosen(ctx, from, w, before)
	if err != nil {
		n.Err = err
		return n
	}
	if known && of.version == before.Version { // a version is what it was when it was fetched
		c.use(w.Key(), before.Content)
		return n
	}
	after, tree, err := c.take(ctx, from, w, of)
	if err == nil && before.Content != "" && after.Version == before.Version && after.Content != before.Content && !w.Moves() {
		err = fault.Newf(fault.Denied, "version %s is not what it was: it was %s, and is %s now: pin the one that is meant by its digest, as %s@%s", after.Version, short(before.Digest), short(after.Digest), after.Version, after.Digest)
	}
	if err != nil {
		n.Err = err
		return n
	}
	if err := c.keep(w, after); err != nil {
		n.Err = err
		return n
	}
	n.Changed = !known || after.Content != before.Content || after.Version != before.Version
	n.Chart = after.chart(tree)
	return n
}

// chosen is which chart a wish comes to. What an exact version, or a digest, came to before is that for ever.
func (c *Charts) chosen(ctx context.Context, from remoteCharts, w Wish, before record) (candidate, error) {
	of, err := from.choose(ctx, w)
	if err == nil && of.digest == "" && !w.Moves() && (of.version == before.Version || of.version == "") {
		of.digest = before.Digest
	}
	return of, err
}

// take fetches a chart, and checks that it is the one that was meant.
func (c *Charts) take(ctx context.Context, from remoteCharts, w Wish, of candidate) (record, *archive.Tree, error) {
	got, err := from.fetch(ctx, w, of)
	if err != nil {
		return record{}, nil, err
	}
	_, pin, err := w.split()
	if err != nil {
		return record{}, nil, err
	}
	if pin != "" && pin != got.digest {
		return record{}, nil, fault.Newf(fault.Denied, "it is %s, and not what its version is pinned to: somebody put another one in its place, or the digest is that of something else", got.digest)
	}
	if w.Trust.Asked() && got.signer == "" {
		return record{}, nil, fault.Newf(fault.Denied, "the chart is refused: nobody vouches for it")
	}
	tree, err := unpack(got.archive)
	if err != nil {
		return record{}, nil, err
	}
	name, version, err := identity(tree)
	if err != nil {
		return record{}, nil, err
	}
	if w.Name != "" && name != w.Name || of.version != "" && !sameVersion(version, of.version) {
		return record{}, nil, fault.Newf(fault.Denied, "its Chart.yaml says that it is %s %s, and not %s %s", clip(name), clip(version), w.Name, of.version)
	}
	content := sha256Of(got.archive)
	if err := c.store.put(kindBlob, hexOf(content), got.archive); err != nil {
		return record{}, nil, err
	}
	c.remember(content, tree)
	return record{
		URL: w.URL, Name: name, Asked: w.Version, Version: cmp.Or(of.version, version), Digest: got.digest, Content: content, Signer: got.signer, Since: c.o.Now(),
	}, tree, nil
}

func (c *Charts) keep(w Wish, r record) error {
	if err := c.store.putJSON(kindRecord, w.Key(), r); err != nil {
		return err
	}
	return c.store.trim(hexOf(r.Content), w.Key())
}

func sameVersion(a, b string) bool {
	plain := func(v string) string { return strings.TrimPrefix(strings.ReplaceAll(v, "_", "+"), "v") }
	return plain(a) == plain(b)
}

func unpack(data []byte) (*archive.Tree, error) {
	return archive.Read(strings.NewReader(string(data)), archive.Options{Strip: true})
}

// identity is what a chart says that it is.
func identity(tree *archive.Tree) (name, version string, err error) {
	data, err := tree.ReadFile("Chart.yaml")
	if err != nil || len(data) > 1<<20 {
		return "", "", fault.Newf(fault.Invalid, "it is no chart: there is no Chart.yaml that can be read in it")
	}
	var said struct{ Name, Version string }
	if err := yaml.Unmarshal(data, &said); err != nil {
		return "", "", fault.Newf(fault.Invalid, "its Chart.yaml is no YAML: %s", clip(err.Error()))
	}
	return said.Name, said.Version, nil
}

var errDamaged = errors.New("it is not in the cache")

// tree returns the files of an archive that was fetched, if it is there as it was.
func (c *Charts) tree(content string) (*archive.Tree, error) {
	c.mu.Lock()
	for i, p := range c.trees {
		if p.content == content {
			c.trees = append(slices.Delete(c.trees, i, i+1), p)
			c.mu.Unlock()
			return p.tree, nil
		}
	}
	c.mu.Unlock()
	data, ok := c.store.read(kindBlob, hexOf(content), c.o.MaxBlob)
	if !ok {
		return nil, errDamaged
	}
	if sha256Of(data) != content {
		c.store.remove(kindBlob, hexOf(content))
		return nil, errDamaged
	}
	tree, err := unpack(data)
	if err != nil {
		return nil, err
	}
	c.remember(content, tree)
	return tree, nil
}

// remember keeps an unpacked chart at hand, and forgets those that were not asked for.
func (c *Charts) remember(content string, tree *archive.Tree) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trees = append(c.trees, parsed{content, tree})
	var sum int64
	for _, p := range c.trees {
		sum += p.tree.Bytes()
	}
	for len(c.trees) > 1 && (len(c.trees) > maxTrees || sum > maxTreeBytes) {
		sum -= c.trees[0].tree.Bytes()
		c.trees = slices.Delete(c.trees, 0, 1)
	}
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
