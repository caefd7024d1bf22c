package v1alpha1

// Render is how the apps of an Environment are rendered, beyond what is in their directories.
type Render struct {
	// Substitute puts the values of variables into the objects of the apps, in the syntax of Flux: ${name}, ${name:-default}, $${name} for the text itself. Where
	// neither this nor substituteFrom is set, nothing is substituted; an empty map is enough for the variables that are there anyway: FAIRLEAD_APP,
	// FAIRLEAD_ENVIRONMENT, FAIRLEAD_NAMESPACE and FAIRLEAD_CLUSTER. These values win over those of substituteFrom.
	//
	// +kubebuilder:validation:MaxProperties=500
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[_a-zA-Z][_a-zA-Z0-9]*$') && !k.startsWith('FAIRLEAD_'))",message="a variable is named by letters, digits and _, with no digit at first, and names that begin with FAIRLEAD_ are taken"
	Substitute map[string]string `json:"substitute,omitempty"`

	// SubstituteFrom are ConfigMaps and Secrets beside the Environment whose entries are variables; a later one wins. They are read as the ServiceAccount of
	// destination, and the apps are rendered again when they change.
	//
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	SubstituteFrom []SubstituteReference `json:"substituteFrom,omitempty"`

	// Decryption is how what is encrypted in Git is opened.
	Decryption *Decryption `json:"decryption,omitempty"`

	// RestartOnChange says which workloads are restarted when a ConfigMap or Secret changes that they read: those get a hash of it in their pod template, so that
	// the change is a rollout. All are all but those with the annotation fairlead.dev/restart-on-change: disabled; Annotated are those with enabled, or with
	// annotations of Reloader; None are none. If nothing is set it is as with All, but where the environment's ServiceAccount may not read what a workload
	// reads, that workload is left as it is, which is an error with All. Workloads that are there already are not restarted by this field.
	//
	// +kubebuilder:validation:Enum=None;Annotated;All
	RestartOnChange RestartOnChange `json:"restartOnChange,omitempty"`

	// Charts says how Helm charts are fetched from chart repositories and registries: the entry whose url is the longest that a chart's address begins with.
	// Others are fetched without credentials.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Charts []ChartRepository `json:"charts,omitempty"`

	// RemoteBases are the repositories that kustomizations of the apps may name as bases and components, at a full commit id: https://host/org/repo//dir?ref=COMMIT.
	// No others are fetched. The entry counts whose url is the longest that a base's repository begins with.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	RemoteBases []RemoteBase `json:"remoteBases,omitempty"`

	// NeverApply are kinds of which the apps' objects are not applied, whatever Git says, and not deleted while Git has them: as if each had the annotation
	// fairlead.dev/apply: never. An object that has that annotation itself is applied as it says. 'fairlead migrate' names the kinds here that tell the other
	// engine what to do, so that Fairlead does not set it going again.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	NeverApply []GroupKind `json:"neverApply,omitempty"`
}

// GroupKind names a kind of objects, or all kinds of a group.
//
// +kubebuilder:validation:XValidation:rule="has(self.group) && size(self.group) > 0 || has(self.kind) && size(self.kind) > 0",message="name a group, a kind, or both"
type GroupKind struct {
	// Group is such as helm.toolkit.fluxcd.io; empty: the core group, of which a kind has to be named.
	//
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
	// Kind is such as HelmRelease; empty: every kind of the group.
	//
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
}

// RestartOnChange says which workloads are restarted when what they read changes.
type RestartOnChange string

// The choices for RestartOnChange. If nothing is set it is like RestartAll, but for what may not be read.
const (
	RestartNone      RestartOnChange = "None"
	RestartAnnotated RestartOnChange = "Annotated"
	RestartAll       RestartOnChange = "All"
)

// SubstituteReference names a ConfigMap or Secret whose entries are variables.
type SubstituteReference struct {
	// +kubebuilder:validation:Enum=ConfigMap;Secret
	Kind string `json:"kind"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Optional says that it need not be there.
	Optional bool `json:"optional,omitempty"`
}

// Decryption is how what is encrypted in Git is opened. Keys are read with the rights of the environment's ServiceAccount.
type Decryption struct {
	// SecretRef names the Secret beside the Environment with the private keys of SOPS files, as Flux lays it out: age keys under names that end in .agekey,
	// OpenPGP keys without a passphrase under names that end in .asc. Each of them is tried.
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// SealedSecrets is what becomes of SealedSecrets.
	SealedSecrets *SealedSecrets `json:"sealedSecrets,omitempty"`
}

// SealedSecrets is what becomes of the SealedSecrets among the objects of an app.
type SealedSecrets struct {
	// Mode is what happens to a SealedSecret: Unseal makes a Secret of it, Keep applies it as it is, for the controller of Sealed Secrets.
	//
	// +kubebuilder:default=Unseal
	// +kubebuilder:validation:Enum=Unseal;Keep
	Mode SealedSecretsMode `json:"mode,omitempty"`

	// Namespace is where the keys are: Secrets with the label sealedsecrets.bitnami.com/sealed-secrets-key=active. Empty: the namespace of the Environment.
	//
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// SealedSecretsMode is what happens to a SealedSecret.
type SealedSecretsMode string

// The choices for SealedSecretsMode.
const (
	SealedSecretsUnseal SealedSecretsMode = "Unseal"
	SealedSecretsKeep   SealedSecretsMode = "Keep"
)
