package gate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
)

// Declared are the gates of an app's own declaration, as an Environment has them. They come after those of the Environment, and take nothing away from these.
func Declared(all []app.Gate) []v1alpha1.Gate {
	var out []v1alpha1.Gate
	for _, g := range all {
		x := v1alpha1.Gate{Name: g.Name}
		switch {
		case g.Approval != nil:
			a := g.Approval
			x.Approval = &v1alpha1.ApprovalGate{Required: int32(max(a.Required, 1)), Users: a.Users, Groups: a.Groups, NotAuthor: a.NotAuthor}
			if a.ValidFor > 0 {
				x.Approval.ValidFor = &metav1.Duration{Duration: a.ValidFor}
			}
		case g.Window != nil:
			x.Window = &v1alpha1.WindowGate{Cron: g.Window.Cron, TimeZone: g.Window.TimeZone, Deny: g.Window.Deny}
		case g.Freeze != nil:
			x.Freeze = &v1alpha1.FreezeGate{From: g.Freeze.From, Until: g.Freeze.Until, TimeZone: g.Freeze.TimeZone, Reason: g.Freeze.Reason}
		case g.Soak != nil:
			x.Soak = &v1alpha1.SoakGate{Environment: g.Soak.Environment, For: metav1.Duration{Duration: g.Soak.For}}
		case g.CommitStatus != "":
			x.CommitStatus = &v1alpha1.CommitStatusGate{Context: g.CommitStatus}
		}
		out = append(out, x)
	}
	return out
}
