package order

import (
	"strconv"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// waveAnnotations are read in this order: the first that is there decides.
var waveAnnotations = []string{"fairlead.dev/wave", "argocd.argoproj.io/sync-wave"}

// Wave returns the wave that an object asks to be applied in, 0 if it does not say. A value that is no whole number is an error of kind
// fault.Invalid that names the object and the value.
func Wave(o object.Object) (int, error) {
	wave, _, err := waveOf(o)
	return wave, err
}

// waveOf says besides whether the object names a wave.
func waveOf(o object.Object) (wave int, named bool, err error) {
	for _, name := range waveAnnotations {
		value := o.At("metadata", "annotations", name)
		if value == nil {
			continue
		}
		text, ok := value.(string)
		if !ok {
			return 0, false, fault.Newf(fault.Invalid, "%s%s: annotation %s is not text: write it in quotes, for example %q", place(o), o, name, "1")
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0, false, fault.Newf(fault.Invalid, "%s%s: annotation %s is %.40q: write a whole number, for example %q", place(o), o, name, text, "-1")
		}
		return int(n), true, nil
	}
	return 0, false, nil
}

func place(o object.Object) string {
	if at := o.Origin().String(); at != "" {
		return at + ": "
	}
	return ""
}
