package v1alpha1

// RemoteBase is a repository of bases, or all that are below an address.
type RemoteBase struct {
	// URL is a repository, https://, http://, ssh:// or user@host:path, or the beginning of the addresses of several, such as https://github.com/shop. Credentials do
	// not belong in it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?://[^ /@]+(/[^ ]*)?|ssh://([^ /@:]+@)?[^ /@]+(/[^ ]*)?|[^ /@:]+@[^ /@:]+(:[^ ]*)?)$')",message="url must start with https://, http://, ssh:// or user@host:, and hold no credentials"
	URL string `json:"url"`

	// SecretRef names a Secret beside the Environment, with the keys that a Secret of a Repository has: `username` and `password`, `bearerToken`, `identity` and
	// `known_hosts`, `ca.crt`.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}
