package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Bounds of a record, in bytes but for MostImages.
const (
	MostName   = 253 // of a namespace, an environment, an app, a phase
	MostKey    = 512
	MostText   = 4 << 10 // of who, why, an author, a commit, a digest
	MostPlan   = 64 << 10
	MostImage  = 512
	MostImages = 200
	// MostLine is what a record is never longer than as a line. Every byte of a text may take six there.
	MostLine = 4 << 20
)

// firstTime and lastTime are those that every store can keep.
var (
	firstTime = time.Unix(0, 0)
	lastTime  = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Fit returns a record as it can be stored: texts that are too long are cut off, which they say, and times are in UTC. It returns [fault.Invalid] if the
// record does not say what happened, when, to what, or with which key.
func Fit(r Record) (Record, error) {
	if err := check(r); err != nil {
		return Record{}, err
	}
	r.Time, r.Until = stamp(r.Time), stamp(r.Until)
	if !r.Until.Before(lastTime) || r.Until.Before(firstTime) {
		r.Until = time.Time{} // it never ends
	}
	r.Who, r.Why, r.Plan = clip(r.Who, MostText), clip(r.Why, MostText), clip(r.Plan, MostPlan)
	r.Want, r.Back = fit(r.Want), fit(r.Back)
	return r, nil
}

// stamp is a time as every store and every line keeps it.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func check(r Record) error {
	switch {
	case !r.Kind.known():
		return fault.Newf(fault.Invalid, "a record of the unknown kind %q", r.Kind)
	case r.Key == "":
		return fault.Newf(fault.Invalid, "a record of kind %s without a key", r.Kind)
	case len(r.Key) > MostKey:
		return fault.Newf(fault.Invalid, "the key of a record is longer than %d bytes: %s", MostKey, clip(r.Key, 100))
	case r.Time.Before(firstTime) || !r.Time.Before(lastTime):
		return fault.Newf(fault.Invalid, "record %s: its time, %s, is not one", r.Key, r.Time)
	case r.Serial < 0:
		return fault.Newf(fault.Invalid, "record %s: its serial is %d", r.Key, r.Serial)
	}
	for _, s := range []string{r.Namespace, r.Environment, r.App, r.Phase} {
		if len(s) > MostName {
			return fault.Newf(fault.Invalid, "record %s: a name is longer than %d bytes: %s", r.Key, MostName, clip(s, 100))
		}
	}
	for _, s := range []string{r.Key, r.Namespace, r.Environment, r.App, r.Phase} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fault.Newf(fault.Invalid, "record %q: a name is not printable", r.Key)
		}
	}
	if r.Kind != Retention && (r.Namespace == "" || r.Environment == "") {
		return fault.Newf(fault.Invalid, "record %s does not say in which environment", r.Key)
	}
	return nil
}

func (k Kind) known() bool { return slices.Contains(Kinds, k) }

// Kinds are all there are.
var Kinds = []Kind{Release, Hold, Approval, Override, Drift, Suspension, Resumption, Rollback, Prune, Candidate, Standing, Retention}

func fit(v Version) Version {
	v.Commit, v.Author, v.Digest = clip(v.Commit, MostText), clip(v.Author, MostText), clip(v.Digest, MostText)
	if v.Committed = stamp(v.Committed); v.Committed.Before(firstTime) || !v.Committed.Before(lastTime) {
		v.Committed = time.Time{} // whoever commits chooses it: it may be anything
	}
	var images []string
	for _, image := range v.Images {
		images = append(images, clip(image, MostImage))
	}
	slices.Sort(images)
	v.Images = slices.Compact(images)
	if most := MostImages - 1; len(v.Images) > MostImages {
		v.Images = append(v.Images[:most:most], fmt.Sprintf("and %d more", len(v.Images)-most))
	}
	return v
}

// clip cuts a text off, and makes it one that can be printed.
func clip(s string, most int) string {
	long := len(s) > most
	if long {
		s = s[:most]
	}
	s = strings.ToValidUTF8(s, "�")
	if !long && len(s) <= most {
		return s
	}
	const end = "…"
	most = min(most-len(end), len(s))
	for most > 0 && most < len(s) && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + end
}
