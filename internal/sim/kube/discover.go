package kube

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeversion "k8s.io/apimachinery/pkg/version"
)

// Discovery says which kinds the server has. It is the part of client-go's discovery that Fairlead uses.
type Discovery struct {
	server      *Server
	user, agent string
}

// Discovery returns the discovery for a user, with a program of that name. Both may be empty.
func (s *Server) Discovery(user, agent string) Discovery { return Discovery{s, user, agent} }

// ServerGroupsAndResources implements discovery.ServerResourcesInterface.
func (d Discovery) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	lists := map[string]*metav1.APIResourceList{}
	_, err := serve(d.server, Request{User: d.user, Agent: d.agent, Verb: "discover"}, func(Verdict) (bool, error) {
		for _, k := range d.server.kinds {
			gv := k.apiVersion()
			if lists[gv] == nil {
				lists[gv] = &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv}
			}
			lists[gv].APIResources = append(lists[gv].APIResources, k.resources()...)
		}
		return true, nil
	})
	if err != nil {
		return nil, nil, err
	}
	groups := map[string]*metav1.APIGroup{}
	var all []*metav1.APIResourceList
	for _, gv := range slices.Sorted(maps.Keys(lists)) {
		list := lists[gv]
		slices.SortFunc(list.APIResources, func(a, b metav1.APIResource) int { return cmp.Compare(a.Name, b.Name) })
		all = append(all, list)
		r := list.APIResources[0]
		g := groups[r.Group]
		if g == nil {
			g = &metav1.APIGroup{Name: r.Group}
			groups[r.Group] = g
		}
		g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: r.Version})
	}
	var sorted []*metav1.APIGroup
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		g := groups[name]
		slices.SortFunc(g.Versions, func(a, b metav1.GroupVersionForDiscovery) int {
			return kubeversion.CompareKubeAwareVersionStrings(b.Version, a.Version)
		})
		g.PreferredVersion = g.Versions[0]
		sorted = append(sorted, g)
	}
	return sorted, all, nil
}

// resources are what discovery says of a kind: itself, and its status.
func (k *kind) resources() []metav1.APIResource {
	r := metav1.APIResource{
		Name: k.plural, SingularName: k.singular, Namespaced: k.namespaced, Group: k.gvk.Group, Version: k.gvk.Version, Kind: k.gvk.Kind,
		Verbs: k.verbs(), ShortNames: k.short,
	}
	if k.status == nil {
		return []metav1.APIResource{r}
	}
	status := r
	status.Name, status.ShortNames = k.plural+"/status", nil
	status.Verbs = metav1.Verbs{"get", "patch", "update"}
	return []metav1.APIResource{r, status}
}
