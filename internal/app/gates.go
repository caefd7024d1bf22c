package app

import (
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/strict"
)

// Bounds of gates: the same as in an Environment.
const (
	maxGates    = 20
	maxPeople   = 50
	maxRequired = 10
	maxValid    = 30 * 24 * time.Hour
)

var (
	gateName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	gateDate = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9])?$`)
	cronText = regexp.MustCompile(`^[0-9A-Za-z*,/-]+( +[0-9A-Za-z*,/-]+){4}$`)
)

// gates reads what an app adds to the gates of its Environment. Whether a cron expression, a date or a time zone makes sense is for package gate to say: one that
// does not is closed.
func gates(r strict.Reader, n *yaml.Node) ([]Gate, error) {
	items, err := r.List(n, "gates", `[{approval: {groups: [release-managers]}}]`, maxGates)
	if err != nil {
		return nil, err
	}
	var all []Gate
	for _, item := range items {
		g, err := readGate(r, item)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

func readGate(r strict.Reader, n *yaml.Node) (Gate, error) {
	var g Gate
	kinds := 0
	kind := func(read reader) reader {
		return func(r strict.Reader, n *yaml.Node) error {
			kinds++
			return read(r, n)
		}
	}
	err := r.Mapping(n, "a gate", strict.Fields{
		"name":     word(&g.Name, "name", "office-hours", 63),
		"approval": kind(func(r strict.Reader, n *yaml.Node) (err error) { g.Approval, err = approvalGate(r, n); return err }),
		"window":   kind(func(r strict.Reader, n *yaml.Node) (err error) { g.Window, err = windowGate(r, n); return err }),
		"freeze":   kind(func(r strict.Reader, n *yaml.Node) (err error) { g.Freeze, err = freezeGate(r, n); return err }),
		"soak":     kind(func(r strict.Reader, n *yaml.Node) (err error) { g.Soak, err = soakGate(r, n); return err }),
		"commitStatus": kind(func(r strict.Reader, n *yaml.Node) error {
			err := r.Mapping(n, "commitStatus", strict.Fields{"context": word(&g.CommitStatus, "context", "ci/build", 255)})
			if err == nil && g.CommitStatus == "" {
				err = r.Errorf(n, "commitStatus needs a context: for example {context: ci/build}")
			}
			return err
		}),
		"metric": outside("metric", "another gate"),
		"http":   outside("http", "another gate"),
	})
	switch {
	case err != nil:
		return Gate{}, err
	case kinds != 1:
		return Gate{}, r.Errorf(n, "a gate has exactly one of approval, window, freeze, soak and commitStatus: for example approval: {groups: [release-managers]}")
	case g.Name != "" && !gateName.MatchString(g.Name):
		return Gate{}, r.Errorf(n, "%q is not the name of a gate: lower-case letters, digits and '-', for example office-hours", strict.Clip(g.Name))
	}
	return g, nil
}

func approvalGate(r strict.Reader, n *yaml.Node) (*ApprovalGate, error) {
	g := &ApprovalGate{}
	return g, r.Mapping(n, "approval", strict.Fields{
		"required": func(r strict.Reader, n *yaml.Node) (err error) {
			g.Required, err = r.Whole(n, "required", 1, maxRequired)
			return err
		},
		"users": func(r strict.Reader, n *yaml.Node) (err error) {
			g.Users, err = people(r, n, "users", "[ann]")
			return err
		},
		"groups": func(r strict.Reader, n *yaml.Node) (err error) {
			g.Groups, err = people(r, n, "groups", "[release-managers]")
			return err
		},
		"notAuthor": truth(&g.NotAuthor, "notAuthor"),
		"identities": func(r strict.Reader, n *yaml.Node) error {
			return r.Errorf(n, "identities: only the Environment may say who is who: who writes a commit could make himself somebody else by that")
		},
		"validFor": func(r strict.Reader, n *yaml.Node) (err error) {
			g.ValidFor, err = within(r, n, "validFor", time.Minute, maxValid)
			return err
		},
	})
}

func windowGate(r strict.Reader, n *yaml.Node) (*WindowGate, error) {
	g := &WindowGate{}
	err := r.Mapping(n, "window", strict.Fields{
		"cron": word(&g.Cron, "cron", `"* 9-16 * * 1-5"`, 256), "timeZone": word(&g.TimeZone, "timeZone", "Europe/Berlin", 64), "deny": truth(&g.Deny, "deny"),
	})
	if err == nil && !cronText.MatchString(g.Cron) {
		err = r.Errorf(n, `a window needs cron, five fields: minute, hour, day of the month, month, day of the week; for example "* 9-16 * * 1-5"`)
	}
	return g, err
}

func freezeGate(r strict.Reader, n *yaml.Node) (*FreezeGate, error) {
	g := &FreezeGate{}
	err := r.Mapping(n, "freeze", strict.Fields{
		"from": word(&g.From, "from", `"2026-12-20T18:00"`, 16), "until": word(&g.Until, "until", `"2027-01-04"`, 16),
		"timeZone": word(&g.TimeZone, "timeZone", "Europe/Berlin", 64), "reason": word(&g.Reason, "reason", "nobody is here", 256),
	})
	if err == nil && (!gateDate.MatchString(g.From) || !gateDate.MatchString(g.Until) || g.From >= g.Until) {
		err = r.Errorf(n, `a freeze needs from and until, one before the other: for example {from: "2026-12-20T18:00", until: "2027-01-04"}`)
	}
	return g, err
}

func soakGate(r strict.Reader, n *yaml.Node) (*SoakGate, error) {
	g := &SoakGate{}
	err := r.Mapping(n, "soak", strict.Fields{
		"environment": word(&g.Environment, "environment", "staging", 316),
		"for": func(r strict.Reader, n *yaml.Node) (err error) {
			g.For, err = within(r, n, "for", 0, maxValid)
			return err
		},
	})
	if err == nil && (g.Environment == "" || g.For == 0) {
		err = r.Errorf(n, "soak needs an environment and a time: for example {environment: staging, for: 1h}")
	}
	return g, err
}

// people reads the names of users or groups.
func people(r strict.Reader, n *yaml.Node, what, example string) ([]string, error) {
	items, err := r.List(n, what, example, maxPeople)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, item := range items {
		var name string
		if err := word(&name, "an entry of "+what, "ann", 253)(r, item); err != nil {
			return nil, err
		}
		if name == "" || slices.Contains(all, name) {
			return nil, r.Errorf(item, "%s names %q, which is nobody, or was named before", what, name)
		}
		all = append(all, name)
	}
	return all, nil
}

func truth(into *bool, what string) reader {
	return func(r strict.Reader, n *yaml.Node) (err error) {
		*into, err = r.Bool(n, what)
		return err
	}
}
