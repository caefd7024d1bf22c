package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Approval is the word of a person that one commit may be released. The API server vouches for who gave it (the ValidatingAdmissionPolicy fairlead-approvals),
// and nothing of it can be changed afterwards: to withdraw it, delete it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories={fairlead}
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.app`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.spec.commit`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.by.user`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
type Approval struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ApprovalSpec `json:"spec"`
}

// ApprovalList is a list of approvals.
//
// +kubebuilder:object:root=true
type ApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Approval `json:"items"`
}

// ApprovalSpec says what may be released, and who says so.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Approval never changes: delete it, and approve anew"
type ApprovalSpec struct {
	// Environment names the Environment beside the Approval.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Environment string `json:"environment"`

	// App is the app's name in the environment. Nothing: every app that this commit changes.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app,omitempty"`

	// Commit is the full id of the commit. The approval counts for no other.
	//
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	Commit string `json:"commit"`

	// Digest narrows the approval to these very objects, as App.status names them.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest,omitempty"`

	// Author is the mail address of who wrote the commit. Needed where the author may not approve; an approval that names another author than the commit has
	// does not count there.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Author string `json:"author,omitempty"`

	// By is who approves. The API server refuses anybody else's name.
	By Signatory `json:"by"`

	// Reason is why, for the record.
	//
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// Expires is when the approval counts no more: 30 days after it was given at the latest.
	Expires metav1.Time `json:"expires"`
}

// Signatory is somebody as the API server knows him.
type Signatory struct {
	// User is his user name.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user"`

	// Groups are those of his groups in whose name he acts. Groups that he is not in are refused.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Groups []string `json:"groups,omitempty"`
}

// Override breaks the glass: it opens gates though what they wait for has not come. The API server vouches for who did it, for how long is bounded, and nothing
// of it can be changed afterwards: to take it back, delete it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories={fairlead}
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.app`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.spec.commit`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.by.user`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
type Override struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec OverrideSpec `json:"spec"`
}

// OverrideList is a list of overrides.
//
// +kubebuilder:object:root=true
type OverrideList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Override `json:"items"`
}

// OverrideSpec says which gates are open, and who says so.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Override never changes: delete it, and make another one"
type OverrideSpec struct {
	// Environment names the Environment beside the Override.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Environment string `json:"environment"`

	// App is the app's name in the environment. Nothing: every app.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app,omitempty"`

	// Commit is the full id of the one commit for which the gates are open. Nothing: every commit that comes before it expires.
	//
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	Commit string `json:"commit,omitempty"`

	// Gates are the names of the gates that are open; a gate without a name goes by its kind. Nothing: all of them.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Gates []string `json:"gates,omitempty"`

	// By is who breaks the glass. The API server refuses anybody else's name.
	By Signatory `json:"by"`

	// Reason is why, for the record.
	//
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason"`

	// Expires is when the gates are as they were: 24 hours after it was made at the latest.
	Expires metav1.Time `json:"expires"`
}
