// Package v1alpha1 is the custom resources of Fairlead as they are stored: data only.
//
// Users write [Repository] and [Environment], and [Approval] and [Override] where releases wait for people; Fairlead writes [App], one for each directory that
// an Environment finds. [Notifier] says who is told how apps fare.
//
// +kubebuilder:object:generate=true
// +groupName=fairlead.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the resources in this package.
var GroupVersion = schema.GroupVersion{Group: "fairlead.dev", Version: "v1alpha1"}

// AddToScheme registers the resources of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Repository{}, &RepositoryList{},
		&Environment{}, &EnvironmentList{},
		&App{}, &AppList{},
		&Approval{}, &ApprovalList{},
		&Override{}, &OverrideList{},
		&Notifier{}, &NotifierList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
