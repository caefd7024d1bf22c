package install

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/crds"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Options say what is installed.
type Options struct {
	// Namespace is Fairlead's own. Not used with CRDsOnly.
	Namespace string
	// Image is what the Deployment runs. Not used with CRDsOnly.
	Image string
	// Replicas is how many Pods share the apps; 0 is 1. Not used with CRDsOnly.
	Replicas int
	// CRDsOnly leaves out everything but the CustomResourceDefinitions.
	CRDsOnly bool
}

// imageName is how an image may be written: enough to keep anything else out of the manifests.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)

func (o Options) check() error {
	if o.CRDsOnly {
		return nil
	}
	if why := validation.IsDNS1123Label(o.Namespace); len(why) > 0 {
		return fault.Newf(fault.Invalid, "namespace %q: %s", o.Namespace, why[0])
	}
	if !imageName.MatchString(o.Image) {
		return fault.Newf(fault.Invalid, "image %q: want a reference such as ghcr.io/fairlead-cd/fairlead:v1.0.0", o.Image)
	}
	if o.Replicas < 0 {
		return fault.Newf(fault.Invalid, "%d replicas: want at least one", o.Replicas)
	}
	return nil
}

// Objects returns the objects to install in the order in which they can be applied: definitions, namespace, rights, Deployment. An error about the options is
// of kind fault.Invalid.
func Objects(o Options) ([]*unstructured.Unstructured, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	objs, err := read(crds.Files, "*.yaml", strings.NewReplacer())
	if err != nil || o.CRDsOnly {
		return objs, err
	}
	rest, err := read(manifests, "manifests/*.yaml", strings.NewReplacer("${NAMESPACE}", o.Namespace, "${IMAGE}", o.Image, "${REPLICAS}", strconv.Itoa(max(o.Replicas, 1))))
	return append(objs, rest...), err
}

// read reads the documents of all files that match, in the order of their names.
func read(files fs.FS, pattern string, fill *strings.Replacer) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, err
	}
	var objs []*unstructured.Unstructured
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		for doc := range strings.SplitSeq("\n"+fill.Replace(string(data)), "\n---\n") {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			if len(u.Object) > 0 {
				objs = append(objs, u)
			}
		}
	}
	return objs, nil
}

// Export prints objects as one stream of YAML documents, as `kubectl apply -f -` reads it.
func Export(objs []*unstructured.Unstructured) ([]byte, error) {
	var out []byte
	for _, o := range objs {
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, fmt.Errorf("print %s: %w", Name(o), err)
		}
		out = append(append(out, "---\n"...), data...)
	}
	return out, nil
}

// Name names an object as kubectl does, such as "deployment.apps/fairlead-controller".
func Name(o *unstructured.Unstructured) string {
	kind := strings.ToLower(o.GetKind())
	if group := o.GroupVersionKind().Group; group != "" {
		kind += "." + group
	}
	return kind + "/" + o.GetName()
}
