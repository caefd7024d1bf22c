package health

import "github.com/fairlead-cd/fairlead/internal/object"

// place is an Environment of Fairlead.
type place struct{ namespace, name string }

// In returns the rules for the apps of an Environment of Fairlead, which may be an object of one of them, as where Fairlead manages itself. It is Healthy then: it
// would be waited for until it is ready, and it is not ready before that app is. What is amiss with it, it says itself.
func (r Rules) In(namespace, name string) Rules {
	r.in = place{namespace, name}
	return r
}

// isWhere reports whether an object is the Environment whose apps are judged.
func (r Rules) isWhere(o object.Object) bool {
	return o.Kind() == "Environment" && o.Key().Group == "fairlead.dev" && r.in == place{o.Namespace(), o.Name()}
}
