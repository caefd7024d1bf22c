package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/ignore"
	"github.com/fairlead-cd/fairlead/internal/object"
)

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// plain reads every manifest of the app's directory and below, but for what a .sourceignore leaves out, there or above.
func (r *renderer) plain() ([]object.Object, error) {
	leftOut, err := r.leftOut(ignore.Patterns{}, above(r.dir)...)
	if err != nil {
		return nil, err
	}
	return r.plainDir(nil, r.dir, leftOut)
}

// above are the directories that a directory is in, from the root.
func above(dir string) (dirs []string) {
	for dir != "." {
		dir = path.Dir(dir)
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// leftOut adds what Flux would leave out of directories.
func (r *renderer) leftOut(patterns ignore.Patterns, dirs ...string) (ignore.Patterns, error) {
	for _, dir := range dirs {
		name := path.Join(dir, ignore.File)
		is, err := r.files.isFile(name)
		if err != nil {
			return patterns, err
		}
		if !is {
			continue
		}
		data, err := r.files.read(name)
		if err != nil {
			return patterns, err
		}
		if patterns, err = patterns.With(dir, name, data); err != nil {
			return patterns, err
		}
	}
	return patterns, nil
}

func (r *renderer) plainDir(out []object.Object, dir string, leftOut ignore.Patterns) ([]object.Object, error) {
	if chart, err := r.files.isFile(path.Join(dir, chartFile)); chart || err != nil {
		if err != nil {
			return nil, err
		}
		return nil, fault.Newf(fault.Invalid, "%s: a chart below a directory of manifests is not rendered: make it an app of its own, "+
			"name it under helmCharts in a kustomization.yaml, or keep it outside of app directories", path.Join(dir, chartFile))
	}
	entries, err := r.files.rec.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ignore.File }) {
		if leftOut, err = r.leftOut(leftOut, dir); err != nil {
			return nil, err
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || name == path.Join(r.dir, declarationFile) {
			continue
		}
		if file, line, left := leftOut.By(name, e.IsDir()); left {
			if e.IsDir() || isManifest(name) {
				r.leaves(place{file, line}, "leaves out "+name)
			}
			continue
		}
		if out, err = r.plainEntry(out, name, leftOut); err != nil {
			return nil, err
		}
		if len(out) > r.files.limits.Objects {
			return nil, r.check(out)
		}
	}
	return out, nil
}

func (r *renderer) plainEntry(out []object.Object, name string, leftOut ignore.Patterns) ([]object.Object, error) {
	link, err := r.files.rec.Lstat(name)
	if err != nil {
		return nil, err
	}
	isLink := link.Mode()&fs.ModeSymlink != 0
	if !isLink && !link.IsDir() && !isManifest(name) {
		return out, nil
	}
	info, err := r.files.stat(name)
	switch {
	case isAbsent(err):
		return nil, fault.Newf(fault.Invalid, "%s: the symlink leads to nothing", name)
	case err != nil:
		return nil, err
	case info.IsDir() && isLink:
		// To follow it could go round in circles, and to skip it would delete what it holds.
		return nil, fault.Newf(fault.Invalid, "%s: a symlink to a directory is not followed: name the directory in a kustomization.yaml", name)
	case info.IsDir():
		return r.subdir(out, name, leftOut)
	case !info.Mode().IsRegular() || !isManifest(name):
		return out, nil
	}
	data, err := r.files.read(name)
	if err != nil {
		return nil, err
	}
	objs, err := r.manifests(name, data, false)
	for _, o := range objs {
		if value, is := o.At("metadata", "annotations", localConfig).(string); is && value != "false" {
			r.leaves(place{o.Origin().File, o.Origin().Line}, fmt.Sprintf("%s is left out by its annotation %s", o, localConfig))
			continue
		}
		out = append(out, o)
	}
	return out, err
}

// localConfig is the annotation of what is for Kustomize and its functions, and not for a cluster. Flux reads plain directories with Kustomize.
const localConfig = "config.kubernetes.io/local-config"

// leaves notes the first thing that is left out: it may be why there are no objects.
func (r *renderer) leaves(at place, how string) {
	if r.without == nil {
		r.without = at.errorf("%s", how)
	}
}

// subdir reads a directory below: as a kustomization where it is one, as Flux does.
func (r *renderer) subdir(out []object.Object, dir string, leftOut ignore.Patterns) ([]object.Object, error) {
	names, err := r.files.kustomizations(dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return r.plainDir(out, dir, leftOut)
	}
	objs, err := r.kustomize(dir)
	return append(out, objs...), err
}

func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
