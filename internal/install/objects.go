package install

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/crds"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

//go:embed manifests
var manifests embed.FS

// Options say what is installed.
type Options struct {
	// Namespace is Fairlead's own. Not used with CRDsOnly.
	Namespace string
	// Image is what the Deployment runs. Not used with CRDsOnly.
	Image string
	// Replicas is how many Pods share the apps; 0 is 1. Not used with CRDsOnly.
	Replicas int
	// Volume is the size of a volume for the data directory, such as "10Gi", which a Pod leaves to the next one. It is for one replica. Empty: there is none.
	// Not used with CRDsOnly.
	Volume string
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
	if o.Volume == "" {
		return nil
	}
	if size, err := quantity.ParseQuantity(o.Volume); err != nil || size.Sign() <= 0 {
		return fault.Newf(fault.Invalid, "volume %q: want a size such as 10Gi", o.Volume)
	}
	if o.Replicas > 1 {
		return fault.Newf(fault.Invalid, "one volume is for one replica: %d keep their history in PostgreSQL", o.Replicas)
	}
	return nil
}

// fill fills the manifests. A volume is mounted by one Pod at a time, so that the old one goes before the new one comes.
func (o Options) fill() *strings.Replacer {
	strategy, data := "{type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", "emptyDir: {sizeLimit: 10Gi}"
	if o.Volume != "" {
		strategy, data = "{type: Recreate}", "persistentVolumeClaim: {claimName: fairlead-data}"
	}
	return strings.NewReplacer("${NAMESPACE}", o.Namespace, "${IMAGE}", o.Image, "${REPLICAS}", strconv.Itoa(max(o.Replicas, 1)),
		"${STRATEGY}", strategy, "${DATA}", data, "${VOLUME}", o.Volume)
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
	rest, err := read(manifests, "manifests/*.yaml", o.fill())
	if err != nil || o.Volume == "" {
		return append(objs, rest...), err
	}
	volume, err := read(manifests, "manifests/volume/*.yaml", o.fill())
	isNamespace := func(u *unstructured.Unstructured) bool { return u.GetKind() == "Namespace" }
	return append(objs, slices.Insert(rest, slices.IndexFunc(rest, isNamespace)+1, volume...)...), err
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
