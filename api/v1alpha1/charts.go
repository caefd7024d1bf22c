package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ChartRepository is how charts are fetched from an address, and from what is below it.
type ChartRepository struct {
	// URL is the address of a chart repository, https:// or http://, or of a registry, oci://, such as oci://ghcr.io/shop. Credentials do not belong in it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?|oci)://[^ /@]+(/[^ ]*)?$')",message="url must start with https://, http:// or oci://, and hold no credentials"
	URL string `json:"url"`

	// SecretRef names a Secret beside the Environment. Keys: `username` and `password`, `token`, `.dockerconfigjson`, `ca.crt` (PEM bundle that signs the
	// server).
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// Insecure lets it be reached without TLS.
	Insecure bool `json:"insecure,omitempty"`

	// Interval is how often it is asked whether a range of versions means a newer chart by now.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="interval must be at least 1s"
	Interval metav1.Duration `json:"interval,omitempty"`

	// Verify has charts refused that nobody signed whose key is known: with cosign, or by a provenance file.
	Verify *ChartVerification `json:"verify,omitempty"`
}

// ChartVerification says who may sign charts.
type ChartVerification struct {
	// SecretRef names a Secret beside the Environment. Each entry holds public keys of cosign (PEM), or armoured OpenPGP public keys.
	SecretRef LocalReference `json:"secretRef"`
}
