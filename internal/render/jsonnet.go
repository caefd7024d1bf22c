package render

import (
	"bytes"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render/jsonnet"
)

// jsonnet renders the file that the declaration names, or main.jsonnet; where there is neither, or a directory is named, each file of Jsonnet and each manifest
// of the directory, as Argo CD does.
func (r *renderer) jsonnet(j *app.Jsonnet) ([]object.Object, error) {
	if j == nil {
		j = &app.Jsonnet{}
	}
	e := &evaluator{renderer: r, how: j}
	var err error
	if e.libs, err = e.libraries(); err != nil {
		return nil, err
	}
	if j.File == "" {
		file := path.Join(r.dir, app.JsonnetFile)
		if is, err := r.files.isFile(file); is || err != nil {
			return e.fileUnless(err, file)
		}
		return e.directory(r.dir)
	}
	file, err := r.within(r.declared(j.Line), j.File)
	if err != nil {
		return nil, err
	}
	info, err := r.files.stat(file)
	switch {
	case isAbsent(err):
		return nil, r.declared(j.Line).errorf("jsonnet.file: %s does not exist", file)
	case err == nil && info.IsDir():
		return e.directory(file)
	}
	return e.fileUnless(err, file)
}

func (e *evaluator) fileUnless(err error, name string) ([]object.Object, error) {
	if err != nil {
		return nil, err
	}
	return e.file(name)
}

// evaluator is what is evaluated for one app.
type evaluator struct {
	*renderer
	how  *app.Jsonnet
	libs []string
	// opened are the encrypted files that were imported.
	opened map[string]bool
}

// libraries are the directories of the declaration, the one first that is looked into first.
func (e *evaluator) libraries() ([]string, error) {
	var out []string
	for _, lib := range e.how.Libs {
		at := e.declared(lib.Line)
		dir, err := e.within(at, lib.Path)
		if err != nil {
			return nil, err
		}
		info, err := e.files.stat(dir)
		switch {
		case isAbsent(err):
			return nil, at.errorf("jsonnet.libs: %s does not exist", dir)
		case err != nil:
			return nil, err
		case !info.IsDir():
			return nil, at.errorf("jsonnet.libs: %s is a file: name the directory that it is in", dir)
		}
		out = append(out, dir)
	}
	slices.Reverse(out)
	return append(out, e.dir), nil
}

// notManifests are files of JSON that programs of Jsonnet leave in a directory.
var notManifests = []string{"jsonnetfile.json", "jsonnetfile.lock.json"}

// directory renders each file of Jsonnet and each manifest of a directory, and nothing below it.
func (e *evaluator) directory(dir string) ([]object.Object, error) {
	e.libs = append(e.libs, dir)
	entries, err := e.files.rec.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []object.Object
	evaluated := false
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		isJsonnet := path.Ext(name) == ".jsonnet"
		if strings.HasPrefix(entry.Name(), ".") || !isJsonnet && !isManifest(name) || entry.Name() == declarationFile || slices.Contains(notManifests, entry.Name()) {
			continue
		}
		if is, err := e.files.isFile(name); err != nil {
			return nil, err
		} else if !is {
			continue
		}
		var objs []object.Object
		if isJsonnet {
			evaluated = true
			objs, err = e.file(name)
		} else {
			var data []byte
			if data, err = e.files.read(name); err == nil {
				objs, err = e.manifests(name, data, false)
			}
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, objs...); len(out) > e.files.limits.Objects {
			return nil, e.check(out)
		}
	}
	if !evaluated {
		return nil, e.declared(e.how.Line).errorf("jsonnet: there is no file of Jsonnet in %s: write %s, or name one with file", dir, app.JsonnetFile)
	}
	return out, nil
}

// file evaluates one file.
func (e *evaluator) file(name string) ([]object.Object, error) {
	e.opened = map[string]bool{}
	found, err := e.evaluate(name, false)
	if len(e.opened) > 0 {
		found, err = e.guarded(name, found, err)
	}
	if err != nil {
		return nil, err
	}
	var out []object.Object
	for _, f := range found {
		objs, err := e.found(f)
		if err != nil {
			return nil, err
		}
		if out = append(out, objs...); len(out) > e.files.limits.Objects {
			return nil, e.check(out)
		}
	}
	return out, nil
}

// guarded keeps what is encrypted in Secrets. What is made of it cannot be seen by looking at it, so the file is evaluated again with placeholders for the values:
// nothing but Secrets may be another then. An error is that of the second time: it cannot repeat what nobody told it.
func (e *evaluator) guarded(name string, found []jsonnet.Found, err error) ([]jsonnet.Found, error) {
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return nil, err
	}
	masked, maskedErr := e.evaluate(name, true)
	from := strings.Join(slices.Sorted(maps.Keys(e.opened)), ", ")
	switch {
	case maskedErr != nil && fault.KindOf(maskedErr) != fault.Invalid, err != nil && maskedErr != nil:
		return nil, maskedErr
	case err != nil:
		return nil, fault.Newf(fault.Invalid, "%s: cannot be evaluated with what is in %s, and why is not shown, as it is encrypted: with placeholders for the values it can be", name, from)
	case maskedErr != nil:
		return nil, fault.Newf(fault.Invalid, "%w (this is with a placeholder for each value of %s: that nothing but Secrets shows them is found out so; do not compute with them)", maskedErr, from)
	}
	for i, f := range found {
		if i >= len(masked) || masked[i].Path != f.Path {
			return nil, fault.Newf(fault.Invalid, "%s: %s depends on what is in %s, which is encrypted: whether an object is there may not", f.At, f.Path, from)
		}
		if !bytes.Equal(f.JSON, masked[i].JSON) && !isSecret(f.JSON) {
			return nil, fault.Newf(fault.Invalid, "%s: %s shows what is in %s, which is encrypted: only a Secret may, as nothing else is kept out of plans, diffs and events", f.At, f.Path, from)
		}
	}
	if len(masked) > len(found) {
		return nil, fault.Newf(fault.Invalid, "%s: which objects there are depends on what is in %s, which is encrypted", name, from)
	}
	return found, nil
}

func isSecret(json []byte) bool {
	values, err := object.Values("", json)
	if err != nil || len(values) != 1 {
		return false
	}
	m, _ := values[0].(map[string]any)
	return m["apiVersion"] == "v1" && m["kind"] == "Secret"
}

// evaluate evaluates a file with those that it imports.
func (e *evaluator) evaluate(name string, masked bool) ([]jsonnet.Found, error) {
	req := jsonnet.Request{
		File: name, Limits: jsonnet.Limits{Output: e.files.limits.Bytes},
		External: variables(e.how.ExtVars), TopLevel: variables(e.how.TLAs),
		Import: func(from, p string) (string, []byte, error) {
			found, err := e.find(from, p)
			if err != nil {
				return "", nil, err
			}
			data, err := e.files.read(found)
			if err != nil {
				return "", nil, err
			}
			if f := e.secrets.files[found]; f != nil {
				e.opened[found] = true
				if data = f.exact; masked {
					data, err = f.masked()
				}
			}
			return found, data, err
		},
	}
	return jsonnet.Evaluate(req)
}

func variables(in []app.JsonnetVariable) []jsonnet.Variable {
	var out []jsonnet.Variable
	for _, v := range in {
		out = append(out, jsonnet.Variable{Name: v.Name, Value: v.Value, Code: v.Code})
	}
	return out
}

var hasScheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)

// find is the file that an import means: relative to the file that it is in, then in the libraries, then in the app's directory.
func (e *evaluator) find(from, p string) (string, error) {
	if from == "" {
		return p, nil // the file itself
	}
	switch {
	case strings.TrimSpace(p) == "":
		return "", fault.Newf(fault.Invalid, "an import of nothing")
	case hasScheme.MatchString(p):
		return "", fault.Newf(fault.Invalid, "%s is on the network, and nothing is fetched while rendering: commit it, for example with jb install", p)
	case path.IsAbs(p):
		return "", fault.Newf(fault.Invalid, "%s is absolute: imports are relative to the file that they are in, or to a directory of jsonnet.libs in fairlead.yaml", p)
	}
	var tried []string
	for i, dir := range append([]string{path.Dir(from)}, e.libs...) {
		name := path.Join(dir, p)
		outside := name == ".." || strings.HasPrefix(name, "../")
		switch {
		case strings.ContainsRune(name, 0) || strings.HasSuffix(p, "/"):
			return "", fault.Newf(fault.Invalid, "%q is no path of a file", p)
		case outside && i == 0:
			return "", fault.Newf(fault.Invalid, "%s leaves the repository", p)
		case outside || slices.Contains(tried, name):
			continue
		}
		is, err := e.files.isFile(name)
		if err != nil {
			return "", err
		}
		if is {
			return name, nil
		}
		tried = append(tried, name)
	}
	return "", fault.Newf(fault.Invalid, "%s does not exist: looked for %s; directories of libraries are named under jsonnet.libs in fairlead.yaml", p, strings.Join(tried, ", "))
}

// found reads the objects of one that was found: a List has several.
func (r *renderer) found(f jsonnet.Found) ([]object.Object, error) {
	at := object.Origin{File: f.At.File, Line: f.At.Line}
	objs, err := r.parse("printed", f.JSON, manifest)
	if err != nil {
		return nil, fault.Newf(fault.KindOf(err), "%s: %s: %s", f.At, f.Path, printedLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "printed: "), ""))
	}
	out := make([]object.Object, len(objs))
	for i, o := range objs {
		out[i] = o.WithOrigin(at)
	}
	return out, nil
}
