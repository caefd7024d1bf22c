package history

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fairlead-cd/fairlead/internal/release"
)

// OfRelease is the record of a release that entered a phase, as [release.Decision] has it. The function says what a want is, and when its commit was made.
func OfRelease(p Place, r release.Release, version func(release.Want) Version) Record {
	return Record{
		Time: r.Since, Kind: Release,
		// Some phases are entered more than once: a person goes back, and then further back.
		Key:       fmt.Sprintf("release %s %d %s %s", p, r.Serial, r.Phase, stamp(r.Since).Format(time.RFC3339Nano)),
		Namespace: p.Namespace, Environment: p.Environment, App: p.App,
		Serial: r.Serial, Phase: string(r.Phase), Why: cmp.Or(r.Why, r.Want.Cause), Want: version(r.Want), Back: version(r.Back),
	}
}
