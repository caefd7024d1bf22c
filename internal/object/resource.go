package object

// GVK is an API version and kind as an object states them.
type GVK struct{ Group, Version, Kind string }

// GVK returns the object's group, version and kind.
func (o Object) GVK() GVK {
	group, version := splitAPIVersion(o.APIVersion())
	return GVK{Group: group, Version: version, Kind: o.Kind()}
}

// GroupKind returns the kind without its version.
func (g GVK) GroupKind() GroupKind { return GroupKind{Group: g.Group, Kind: g.Kind} }

// APIVersion is "v1" or "apps/v1".
func (g GVK) APIVersion() string {
	if g.Group == "" {
		return g.Version
	}
	return g.Group + "/" + g.Version
}

// ParseGVK joins an apiVersion and a kind.
func ParseGVK(apiVersion, kind string) GVK {
	group, version := splitAPIVersion(apiVersion)
	return GVK{Group: group, Version: version, Kind: kind}
}

// Resource is how a cluster serves a kind.
type Resource struct {
	GVK
	Plural     string // such as "deployments"
	Namespaced bool
}
