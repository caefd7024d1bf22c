package install_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/install"
)

var usual = install.Options{Namespace: "gitops", Image: "registry.example.com/fairlead@sha256:0123"}

func TestObjects(t *testing.T) {
	objs, err := install.Objects(usual)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objs {
		names = append(names, install.Name(o))
		if ns := o.GetNamespace(); ns != "" && ns != usual.Namespace {
			t.Errorf("%s is in namespace %s", install.Name(o), ns)
		}
	}
	got := strings.Join(names, "\n")
	want := strings.Join([]string{
		"customresourcedefinition.apiextensions.k8s.io/approvals.fairlead.dev",
		"customresourcedefinition.apiextensions.k8s.io/apps.fairlead.dev",
		"customresourcedefinition.apiextensions.k8s.io/environments.fairlead.dev",
		"customresourcedefinition.apiextensions.k8s.io/notifiers.fairlead.dev",
		"customresourcedefinition.apiextensions.k8s.io/overrides.fairlead.dev",
		"customresourcedefinition.apiextensions.k8s.io/repositories.fairlead.dev",
		"namespace/gitops",
		"serviceaccount/fairlead",
		"clusterrole.rbac.authorization.k8s.io/fairlead",
		"clusterrolebinding.rbac.authorization.k8s.io/fairlead",
		"clusterrole.rbac.authorization.k8s.io/fairlead-impersonate",
		"clusterrolebinding.rbac.authorization.k8s.io/fairlead-impersonate",
		"clusterrole.rbac.authorization.k8s.io/fairlead-block",
		"clusterrolebinding.rbac.authorization.k8s.io/fairlead-block",
		"role.rbac.authorization.k8s.io/fairlead",
		"rolebinding.rbac.authorization.k8s.io/fairlead",
		"deployment.apps/fairlead-controller",
		"service/fairlead",
		"clusterrole.rbac.authorization.k8s.io/fairlead-approve",
		"clusterrole.rbac.authorization.k8s.io/fairlead-override",
		"clusterrole.rbac.authorization.k8s.io/fairlead-approvals-view",
		"validatingadmissionpolicy.admissionregistration.k8s.io/fairlead-approvals",
		"validatingadmissionpolicybinding.admissionregistration.k8s.io/fairlead-approvals",
		"validatingadmissionpolicy.admissionregistration.k8s.io/fairlead-authors",
		"validatingadmissionpolicybinding.admissionregistration.k8s.io/fairlead-authors",
		"validatingadmissionpolicy.admissionregistration.k8s.io/fairlead-venues",
		"validatingadmissionpolicybinding.admissionregistration.k8s.io/fairlead-venues",
	}, "\n")
	if got != want {
		t.Errorf("objects are\n%s\nwant\n%s", got, want)
	}
	data, err := install.Export(objs)
	if err != nil || placeholder.Match(data) || !bytes.Contains(data, []byte("image: "+usual.Image)) {
		t.Errorf("export: %v: a placeholder is left, or the image is missing:\n%s", err, data)
	}
	if !bytes.Contains(data, []byte("\n  replicas: 1\n")) {
		t.Errorf("export does not have one replica:\n%s", data)
	}
	if n := bytes.Count(data, []byte("---\n")); n != len(objs) {
		t.Errorf("export has %d documents, want %d", n, len(objs))
	}
}

// placeholder is what the manifests have where an option goes. The definitions speak of variables, which are written in the same way.
var placeholder = regexp.MustCompile(`\$\{[A-Z]`)

func TestOptions(t *testing.T) {
	for _, o := range []install.Options{
		{},
		{Namespace: "Gitops", Image: "x"},
		{Namespace: "gitops"},
		{Namespace: "gitops", Image: "x y"},
		{Namespace: "gitops", Image: "x", Replicas: -1},
		{Namespace: "gitops", Image: "x", Volume: "much"},
		{Namespace: "gitops", Image: "x", Volume: "-1Gi"},
		{Namespace: "gitops", Image: "x", Volume: "1Gi}"},
		{Namespace: "gitops", Image: "x", Volume: "1Gi", Replicas: 2},
		{Namespace: "gitops\n---", Image: "x"},
		{Namespace: "gitops", Image: "x\n      hostNetwork: true"},
	} {
		if _, err := install.Objects(o); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v, want an error of kind invalid", o, err)
		}
	}
	if objs, err := install.Objects(install.Options{CRDsOnly: true}); err != nil || len(objs) != 6 {
		t.Errorf("the definitions alone: %d objects, %v", len(objs), err)
	}
}

// TestPodSecurity holds the Deployment to the profile "restricted", which its own namespace enforces.
func TestPodSecurity(t *testing.T) {
	objs, err := install.Objects(usual)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objs {
		if o.GetKind() != "Deployment" {
			continue
		}
		pod := podOf(t, o)
		s, c := pod.SecurityContext, pod.Containers[0]
		switch {
		case s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot, s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
			t.Errorf("pod: %+v", s)
		case c.SecurityContext == nil || *c.SecurityContext.AllowPrivilegeEscalation, !*c.SecurityContext.ReadOnlyRootFilesystem,
			len(c.SecurityContext.Capabilities.Drop) != 1 || c.SecurityContext.Capabilities.Drop[0] != "ALL":
			t.Errorf("container: %+v", c.SecurityContext)
		case c.Resources.Requests.Memory().IsZero(), c.Resources.Limits.Memory().IsZero(), c.ReadinessProbe == nil, c.LivenessProbe == nil:
			t.Errorf("container: resources or probes are missing")
		}
		return
	}
	t.Error("no Deployment")
}

func podOf(t *testing.T, o *unstructured.Unstructured) corev1.PodSpec {
	t.Helper()
	content, _, err := unstructured.NestedMap(o.Object, "spec", "template", "spec")
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, &pod, true); err != nil {
		t.Fatal(err)
	}
	return pod
}
