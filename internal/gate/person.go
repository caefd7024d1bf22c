package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// The longest that people's words count after they were given. The policies of the API server refuse longer ones.
const (
	LongestApproval = 30 * 24 * time.Hour
	LongestOverride = 24 * time.Hour
)

// override finds what opens a gate though what it waits for has not come: of several the one that lasts longest.
func override(all []v1alpha1.Override, s Subject, gate string, now time.Time) (v1alpha1.Override, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(o v1alpha1.Override) bool {
		p := o.Spec
		return p.Environment != s.Environment || p.App != "" && p.App != s.App || p.Commit != "" && p.Commit != s.Commit || o.Namespace != s.Namespace ||
			len(p.Gates) > 0 && !slices.Contains(p.Gates, gate) || p.By.User == "" || p.Reason == "" || !o.DeletionTimestamp.IsZero() ||
			!now.Before(overridden(o))
	})
	if len(all) == 0 {
		return v1alpha1.Override{}, false
	}
	return slices.MaxFunc(all, func(a, b v1alpha1.Override) int {
		return cmp.Or(overridden(a).Compare(overridden(b)), cmp.Compare(a.Name, b.Name))
	}), true
}

// overridden is when an override opens nothing more.
func overridden(o v1alpha1.Override) time.Time {
	return earlier(o.Spec.Expires.Time, o.CreationTimestamp.Add(LongestOverride))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// approved counts the people who approve a commit.
func approved(j *Judgement, g v1alpha1.ApprovalGate, s Subject, all []v1alpha1.Approval, now time.Time) {
	mine := slices.DeleteFunc(slices.Clone(all), func(a v1alpha1.Approval) bool { return !isFor(a, s) })
	slices.SortFunc(mine, func(a, b v1alpha1.Approval) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var by, not []string // each person once, in the order of their last word
	why := map[string]string{}
	for _, a := range mine {
		user := a.Spec.By.User
		switch no := refused(g, s, a, now); {
		case slices.Contains(by, user):
		case no == "":
			by = append(by, user)
		default:
			why[user] = no
			not = append(slices.DeleteFunc(not, func(u string) bool { return u == user }), user)
		}
	}
	need := max(int(g.Required), 1)
	if len(by) >= need {
		j.Gate, j.Because = release.Gate{Open: true}, "approved by "+strings.Join(by, ", ")
		return
	}
	j.Waits = fmt.Sprintf("waits for %s%s: %s", lacking(len(by), need), from(g), command(s))
	if len(by) > 0 {
		j.Waits += "; approved by " + strings.Join(by, ", ")
	}
	not = slices.DeleteFunc(not, func(user string) bool { return slices.Contains(by, user) })
	for i, user := range not[max(0, len(not)-3):] {
		j.Waits += map[bool]string{true: "; not counted: ", false: ", "}[i == 0] + user + " " + why[user]
	}
	for _, a := range mine { // one that counts may expire while others are waited for
		if end := ends(g, a); refused(g, s, a, now) == "" && (j.Until.IsZero() || end.Before(j.Until)) {
			j.Until = end
		}
	}
}

func isFor(a v1alpha1.Approval, s Subject) bool {
	p := a.Spec
	return a.Namespace == s.Namespace && p.Environment == s.Environment && (p.App == "" || p.App == s.App) && p.Commit == s.Commit && s.Commit != "" &&
		p.By.User != "" && a.DeletionTimestamp.IsZero()
}

// refused says why an approval of this commit does not count; empty: it does.
func refused(g v1alpha1.ApprovalGate, s Subject, a v1alpha1.Approval, now time.Time) string {
	by := a.Spec.By
	named := slices.Contains(g.Users, by.User) || slices.ContainsFunc(by.Groups, func(group string) bool { return slices.Contains(g.Groups, group) })
	switch {
	case !now.Before(ends(g, a)):
		return "(expired)"
	case a.Spec.Digest != "" && a.Spec.Digest != s.Digest:
		return "(for other objects)"
	case !named && (len(g.Users) > 0 || len(g.Groups) > 0):
		return "(not one of those who may)"
	case !named && strings.HasPrefix(by.User, "system:"):
		return "(no person: to let it count, name it in users)"
	case g.NotAuthor:
		return notAuthor(g, s, a.Spec)
	}
	return ""
}

// notAuthor says why somebody may be the author of the commit.
func notAuthor(g v1alpha1.ApprovalGate, s Subject, a v1alpha1.ApprovalSpec) string {
	mails := Mails(a.By.User, g.Identities)
	is := func(mail string) bool { return strings.EqualFold(mail, s.Author) }
	switch {
	case s.Author == "":
		return "(the commit names no author)"
	case !strings.EqualFold(a.Author, s.Author):
		return "(names another author than the commit's)"
	case len(mails) == 0:
		return "(maybe the author: say in identities under which addresses " + a.By.User + " writes commits)"
	case slices.ContainsFunc(mails, is):
		return "(wrote the commit)"
	}
	return ""
}

// Mails are the mail addresses of a user: those that identities name, and his user name if that is one, without the prefix that an issuer put before it.
func Mails(user string, identities []v1alpha1.Identity) []string {
	var out []string
	if name := user[strings.LastIndexAny(user, ":#")+1:]; strings.Contains(name, "@") {
		out = append(out, name)
	}
	for _, i := range identities {
		if i.User == user {
			out = append(out, i.Mails...)
		}
	}
	return out
}

// ends is when an approval counts no more.
func ends(g v1alpha1.ApprovalGate, a v1alpha1.Approval) time.Time {
	longest := LongestApproval
	if g.ValidFor != nil && g.ValidFor.Duration > 0 {
		longest = min(longest, g.ValidFor.Duration)
	}
	return earlier(a.Spec.Expires.Time, a.CreationTimestamp.Add(longest))
}

func lacking(have, need int) string {
	switch {
	case need == 1:
		return "an approval"
	case have == 0:
		return fmt.Sprintf("%d approvals", need)
	}
	return fmt.Sprintf("%d more of %d approvals", need-have, need)
}

// from says whose approval counts.
func from(g v1alpha1.ApprovalGate) string {
	var who []string
	if n := len(g.Users); n > 0 {
		who = append(who, some(g.Users, "people"))
	}
	if n := len(g.Groups); n > 0 {
		who = append(who, "group "+some(g.Groups, "groups"))
	}
	text := after(" of ", strings.Join(who, " or "))
	if g.NotAuthor {
		text += " (not the author's)"
	}
	return text
}

// some lists the first of many names.
func some(names []string, what string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more %s", strings.Join(names[:2], ", "), len(names)-2, what)
}

// command is what approves a release.
func command(s Subject) string {
	return fmt.Sprintf("fairlead approve %s/%s -n %s --commit %s", s.Environment, s.App, s.Namespace, short(s.Commit))
}
