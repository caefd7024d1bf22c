package gate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gate"
)

// TestDeclared reads gates of an app's own declaration: they are those that an Environment would have.
func TestDeclared(t *testing.T) {
	d, err := app.ParseDeclaration("fairlead.yaml", []byte(`
gates:
- {name: leads, approval: {required: 2, users: [ann], groups: [leads], notAuthor: true, validFor: 2h}}
- approval: {}
- window: {cron: "* 9-16 * * *", timeZone: Europe/Berlin, deny: true}
- freeze: {from: "2026-12-20", until: "2027-01-04", timeZone: Europe/Berlin, reason: holidays}
- soak: {environment: staging, for: 1h}
- commitStatus: {context: ci/build}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []v1alpha1.Gate{
		{Name: "leads", Approval: &v1alpha1.ApprovalGate{Required: 2, Users: []string{"ann"}, Groups: []string{"leads"}, NotAuthor: true, ValidFor: &metav1.Duration{Duration: 2 * time.Hour}}},
		{Approval: &v1alpha1.ApprovalGate{Required: 1}},
		{Window: &v1alpha1.WindowGate{Cron: "* 9-16 * * *", TimeZone: "Europe/Berlin", Deny: true}},
		{Freeze: &v1alpha1.FreezeGate{From: "2026-12-20", Until: "2027-01-04", TimeZone: "Europe/Berlin", Reason: "holidays"}},
		{Soak: &v1alpha1.SoakGate{Environment: "staging", For: metav1.Duration{Duration: time.Hour}}},
		{CommitStatus: &v1alpha1.CommitStatusGate{Context: "ci/build"}},
	}
	if diff := cmp.Diff(want, gate.Declared(d.Gates)); diff != "" {
		t.Error(diff)
	}
}
