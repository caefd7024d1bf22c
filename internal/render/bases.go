package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// trees are the app's own tree and, under a directory of its own each, those of remote bases. Only what is used of the first is noted: the others are identified by
// the question that they answer.
type trees struct {
	own   *source.Recorder
	bases map[string]*source.Recorder // by the directory
	shown map[string]string           // how people read the directory
}

// mounted begins the directory of a remote base. Such a path means the base wherever it comes from: nothing in the app's tree is seen under that name.
const mounted = ".fairlead-base-"

// mount makes the files of a base be seen, and returns the directory that they are in.
func (t *trees) mount(b remoteBase, tree source.Tree) string {
	sum := sha256.Sum256([]byte(b.url + " " + b.commit))
	dir := mounted + hex.EncodeToString(sum[:8])
	if t.bases == nil {
		t.bases, t.shown = map[string]*source.Recorder{}, map[string]string{}
	}
	if t.bases[dir] == nil {
		t.bases[dir], t.shown[dir] = source.NewRecorder(tree), b.url+"@"+b.commit[:8]
	}
	return dir
}

// rootOf is the directory that the tree of a path is seen in: empty for the app's own.
func rootOf(name string) string {
	if strings.HasPrefix(name, mounted) {
		dir, _, _ := strings.Cut(name, "/")
		return dir
	}
	return ""
}

// in finds the tree of a path, and the path in it.
func (t *trees) in(name string) (*source.Recorder, string, string, error) {
	root := rootOf(name)
	if root == "" {
		return t.own, "", name, nil
	}
	rec := t.bases[root]
	if rec == nil {
		return nil, "", "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
	if rest == "" {
		rest = "."
	}
	return rec, root, rest, nil
}

// Stat is that of the path's tree, and so are the others.
func (t *trees) Stat(name string) (fs.FileInfo, error) {
	rec, _, p, err := t.in(name)
	if err != nil {
		return nil, err
	}
	return rec.Stat(p)
}

// Lstat does not follow a symlink at the end.
func (t *trees) Lstat(name string) (fs.FileInfo, error) {
	rec, _, p, err := t.in(name)
	if err != nil {
		return nil, err
	}
	return rec.Lstat(p)
}

// ReadFile reads a file.
func (t *trees) ReadFile(name string) ([]byte, error) {
	rec, _, p, err := t.in(name)
	if err != nil {
		return nil, err
	}
	return rec.ReadFile(p)
}

// ReadDir lists a directory.
func (t *trees) ReadDir(name string) ([]fs.DirEntry, error) {
	rec, _, p, err := t.in(name)
	if err != nil {
		return nil, err
	}
	return rec.ReadDir(p)
}

// Real is the path without symlinks.
func (t *trees) Real(name string) (string, error) {
	rec, root, p, err := t.in(name)
	if err != nil {
		return "", err
	}
	name, err = rec.Real(p)
	return path.Join(root, name), err
}

// plainly is a text in which directories of bases are named as people know them.
func (t *trees) plainly(text string) string {
	for dir, shown := range t.shown {
		text = strings.ReplaceAll(text, dir+"/", shown+":")
		text = strings.ReplaceAll(text, dir, shown)
	}
	return text
}

// shownAs gives objects of bases origins that people know, and so an error.
func (t *trees) shownAs(objs []object.Object, err error) ([]object.Object, error) {
	if len(t.bases) == 0 {
		return objs, err
	}
	if err != nil {
		if text := t.plainly(err.Error()); text != err.Error() {
			err = fault.Newf(fault.KindOf(err), "%s", text)
		}
		return nil, err
	}
	for i, o := range objs {
		if at := o.Origin(); rootOf(at.File) != "" {
			at.File = t.plainly(at.File)
			objs[i] = o.WithOrigin(at)
		}
	}
	return objs, nil
}

// remoteBase is a directory of another repository at a commit.
type remoteBase struct{ url, dir, commit string }

var (
	fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)
	scpLike    = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9._-]*@[a-zA-Z0-9.-]+):([^/].*)$`)
)

// withoutUser is a reference without the credentials that may be in it.
func withoutUser(p string) string {
	scheme, rest, ok := strings.Cut(p, "://")
	if !ok {
		return p
	}
	host, after, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(host, "@"); i >= 0 && strings.Contains(host[:i], ":") || i >= 0 && !strings.EqualFold(scheme, "ssh") {
		host = host[i+1:]
	}
	return scheme + "://" + host + "/" + after
}

// maxReference bounds what names a base.
const maxReference = 2048

// parseBase reads what Kustomize takes for a repository: https://host/org/repo//dir?ref=…, git@host:org/repo//dir?ref=…, ssh://…, github.com/org/repo/dir?ref=….
func parseBase(text string) (remoteBase, error) {
	var b remoteBase
	if len(text) > maxReference || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return b, errors.New("it has blanks, or is too long")
	}
	rest, query, _ := strings.Cut(strings.TrimPrefix(text, "git::"), "?")
	rest, fragment, has := strings.Cut(rest, "#")
	if has {
		return b, fmt.Errorf("it has a fragment (#%s): Kustomize names a commit by ?ref=", fragment)
	}
	var before, in string
	scp := scpLike.FindStringSubmatch(rest)
	scheme, after, isURL := strings.Cut(rest, "://")
	switch {
	case isURL:
		switch scheme = strings.ToLower(scheme); scheme {
		case "https", "http", "ssh":
		default:
			return b, fmt.Errorf("the scheme %s is none of https, ssh: nothing else is fetched", scheme)
		}
		host, p, _ := strings.Cut(after, "/")
		if user, _, named := strings.Cut(host, "@"); named && (scheme != "ssh" || strings.Contains(user, ":")) {
			return b, errors.New("it holds credentials: name a Secret in spec.render.remoteBases of the Environment")
		}
		before, in = scheme+"://"+host+"/", p
	case scp != nil:
		before, in = scp[1]+":", scp[2]
	case strings.HasPrefix(strings.ToLower(rest), "github.com/"):
		before, in = "https://github.com/", rest[len("github.com/"):]
	default:
		return b, errors.New("it is none of https://host/org/repo//dir?ref=COMMIT, ssh://git@host/org/repo//dir?ref=COMMIT, git@host:org/repo//dir?ref=COMMIT")
	}
	repo, dir := cutRepository(in)
	if repo == "" || strings.HasSuffix(before, ":///") {
		return b, errors.New("it names no repository: write https://host/org/repo//dir?ref=COMMIT")
	}
	for part := range strings.SplitSeq(repo+"/"+dir, "/") {
		if part == ".." {
			return b, errors.New("it leaves its repository")
		}
	}
	if strings.HasSuffix(dir, ".yaml") || strings.HasSuffix(dir, ".yml") || strings.HasSuffix(dir, ".json") {
		return b, errors.New("it is a file, and only directories of Git repositories are fetched: copy it into the repository")
	}
	b.url, b.dir = before+repo, path.Clean("./"+dir)
	return b, b.ref(query)
}

// cutRepository tells the repository of a path from the directory in it, as Kustomize does: by //, .git or _git, else the repository has two parts.
func cutRepository(p string) (repo, dir string) {
	p = strings.Trim(p, "/")
	if before, after, ok := strings.Cut(p, "//"); ok {
		return strings.Trim(before, "/"), strings.Trim(after, "/")
	}
	if before, after, ok := strings.Cut(p+"/", ".git/"); ok {
		return before + ".git", strings.Trim(after, "/")
	}
	parts := strings.Split(p, "/")
	n := 2
	for i, part := range parts {
		if part == "_git" {
			n = i + 2
		}
	}
	n = min(n, len(parts))
	return strings.Join(parts[:n], "/"), strings.Join(parts[n:], "/")
}

// ref reads which commit is meant: nothing but a full commit id means the same tomorrow.
func (b *remoteBase) ref(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what follows ? cannot be read: write ?ref=COMMIT")
	}
	ref := values.Get("ref")
	if ref == "" {
		ref = values.Get("version") // Kustomize's earlier name for it
	}
	switch {
	case ref == "":
		return errors.New("it names no commit, and so what it means would change with that repository: append ?ref= and the full id of a commit, as git ls-remote prints it")
	case !fullCommit.MatchString(ref):
		return fmt.Errorf("%s can be another commit tomorrow: write the full id of the commit, 40 digits, as git ls-remote prints it", ref)
	}
	b.commit = ref
	return nil
}

// remote finds the directory of a base in another repository, and has Kustomize look for it there.
func (v *visitor) remote(at place, p string) (string, error) {
	b, err := parseBase(p)
	if err != nil {
		return "", at.errorf("%s is on the network, and not used as a base: %w", withoutUser(p), err)
	}
	outside := v.renderer.outside
	if !outside.fetches() {
		return "", at.errorf("%s is a base in another repository, and %w: the controller fetches it, if spec.render.remoteBases of the Environment allows; "+
			"have it fetched with --fetch, or copy it into the repository", withoutUser(p), ErrNotFetched)
	}
	q := Question{About: AboutBase, URL: b.url, Version: b.commit}
	answer, err := outside.ask(q)
	if err != nil {
		return "", fmt.Errorf("%s: the base %s: %w", at, q, err)
	}
	if answer.Tree == nil {
		return "", at.errorf("the base %s has no files", q)
	}
	root := v.files.rec.mount(b, answer.Tree)
	dir := path.Join(root, b.dir)
	if info, err := v.files.stat(dir); isAbsent(err) || err == nil && !info.IsDir() {
		return "", at.errorf("%s has no directory %s: a base is one with a kustomization.yaml", q, b.dir)
	} else if err != nil {
		return "", err
	}
	rel, err := filepath.Rel("/"+v.k.dir, "/"+dir)
	if err != nil {
		return "", err
	}
	if v.k.moved == nil {
		v.k.moved = map[string]string{}
	}
	v.k.moved[p] = filepath.ToSlash(rel)
	return dir, nil
}

// handOverBases names the directories of bases in what Kustomize gets: it would fetch what is written.
func (k *kustomization) handOverBases() error {
	if len(k.moved) == 0 {
		return nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(k.checked, &fields); err != nil {
		return err
	}
	for _, field := range []string{"resources", "components"} {
		var items []string
		if err := json.Unmarshal(orNull(fields[field]), &items); err != nil || items == nil {
			continue
		}
		for i, item := range items {
			if dir, ok := k.moved[item]; ok {
				items[i] = dir
			}
		}
		data, err := json.Marshal(items)
		if err != nil {
			return err
		}
		fields[field] = data
	}
	var err error
	k.checked, err = json.Marshal(fields)
	return err
}
