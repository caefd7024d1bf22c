package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// maxReleases bounds how many releases before the newest one a status tells of.
const maxReleases = 10

// releases fills in how far the app's releases are.
func (f Finding) releases(st *v1alpha1.AppStatus) {
	if st.Rollback = f.Was.Rollback; f.Handled != "" && (st.Rollback == nil || st.Rollback.Request != f.Handled) {
		st.Rollback = &v1alpha1.RollbackStatus{Request: clip(f.Handled, maxName), Error: clip(f.Answer, maxText)}
	}
	st.Attempt = cmp.Or(clip(f.Attempt, maxText), f.Was.Attempt)
	if st.Revert = f.Was.Revert; f.Revert != nil {
		st.Revert = f.Revert
	}
	if st.Release, st.Releases = f.Was.Release, f.Was.Releases; f.Releases.Current.Phase == "" {
		st.Pinned = f.Was.Pinned
		return
	}
	is := ReleaseOf(f.Releases.Current)
	if was := f.Was.Release; was != nil && was.Serial != is.Serial {
		st.Releases = append([]v1alpha1.ReleaseStatus{f.ended(*was)}, slices.DeleteFunc(slices.Clone(f.Was.Releases), func(r v1alpha1.ReleaseStatus) bool {
			return r.Serial == is.Serial || r.Serial == was.Serial
		})...)
		st.Releases = st.Releases[:min(len(st.Releases), maxReleases)]
	}
	st.Release = &is
	if st.Revert != nil && st.Revert.Serial != is.Serial {
		st.Revert = nil
	}
	if st.Pinned = ""; f.pinned() {
		st.Pinned = shortOf(f.Releases.Released.Revision)
	}
}

// ended is how a release ended that another one has taken the place of.
func (f Finding) ended(r v1alpha1.ReleaseStatus) v1alpha1.ReleaseStatus {
	for _, x := range f.Records {
		if int64(x.Serial) == r.Serial {
			r = ReleaseOf(x)
		}
	}
	if p := release.Phase(r.Phase); !p.Ended() {
		r.Phase, r.Why = string(release.Superseded), ""
	}
	return r
}

// pinned reports whether the app is kept at something else than what Git wants, for good.
func (f Finding) pinned() bool {
	s := f.Releases
	return s.Current.Phase == release.RollingBack || s.Current.Phase == release.RolledBack || s.Current.Phase == release.Failed && s.Released.Digest != s.Current.Want.Digest
}

// ReleaseOf is a release as an App tells of it.
func ReleaseOf(r release.Release) v1alpha1.ReleaseStatus {
	return v1alpha1.ReleaseStatus{
		Serial: int64(r.Serial), Revision: clip(r.Want.Revision, maxName), Phase: string(r.Phase), Since: at(r.Since), Began: at(r.Began),
		Back: clip(r.Back.Revision, maxName), Why: clip(cmp.Or(r.Why, r.Want.Cause), maxText),
	}
}

func at(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

// released is the reason why an app whose steps are all made is not further, if that is its release.
func (f Finding) released() (v1alpha1.Phase, string) {
	r := f.Releases.Current
	switch {
	case f.Removed || f.Releases.Current.Phase == "":
		return "", ""
	case f.pinned():
		text := "rolled back to " + cmp.Or(shortOf(f.Releases.Released.Revision), "what was good before")
		switch {
		case strings.HasPrefix(r.Why, "by "): // a person
			text += " " + r.Why
		case r.Why != "":
			text += ": " + r.Why
		}
		if r.Phase == release.RollingBack {
			text = "is being " + text
		}
		return v1alpha1.PhaseRolledBack, text + f.reverted() + "; a newer commit goes on, and so does `fairlead rollback " + f.App + " --lift`"
	case !f.Ruled:
		return "", ""
	}
	switch r.Phase {
	case release.Gated:
		return v1alpha1.PhaseHeld, r.Why
	case release.Verifying:
		return v1alpha1.PhaseVerifying, cmp.Or(r.Why, "is being verified")
	case release.Failed:
		return v1alpha1.PhaseFailed, r.Why
	case release.Planned, release.Applying, release.Progressing, release.Succeeded, release.Superseded, release.RollingBack, release.RolledBack:
	}
	return "", ""
}

// reverted is what became of that in Git.
func (f Finding) reverted() string {
	switch r := cmp.Or(f.Revert, f.Was.Revert); {
	case r == nil || r.Serial != int64(f.Releases.Current.Serial):
	case r.Error != "":
		return "; not reverted in Git: " + clip(r.Error, maxReason/2)
	case r.Commit != "":
		return "; reverted in Git by " + r.Commit[:min(len(r.Commit), 8)] + " on branch " + r.Branch
	}
	return ""
}

// shortOf is the short form of the commit of a revision, such as "main@sha1:…", or "sha1:…" where no ref was followed.
func shortOf(revision string) string {
	_, id, ok := strings.Cut("@"+revision, "@sha")
	if !ok {
		return revision
	}
	_, id, _ = strings.Cut(id, ":")
	return id[:min(len(id), 8)]
}
