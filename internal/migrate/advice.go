package migrate

import "strings"

// advice says of fields that nothing is made of what becomes of what they ask for, by their paths below spec. A field that is neither read nor here is not known.
type advice map[string]string

// Said of the same fields in several places.
const (
	adviceKustomize = "put them into the directory's kustomization.yaml: they are Kustomize's own"
	advicePlugin    = "plugins are not run: commit what it makes, or leave this app to Argo CD"
	adviceReplace   = "mark the objects that may be deleted and made anew with fairlead.dev/apply: replace"
	adviceIgnore    = "mostly not needed: fields that controllers own are theirs. fairlead.dev/ignore on the object for the rest"
	adviceWait      = "the health of its objects is always looked at: an app that depends on it waits until it is ready"
	adviceHooks     = "the chart's hooks are run: leave them out by its values, or write a kustomization.yaml with helmCharts and patches that delete them"
	adviceFailed    = "what a release that fails leaves is said by spec.release of the Environment: without it, it stays as it is until Git changes; with it, the app goes back, and what was added is deleted. See docs/tasks/rollback.md"
	adviceSchema    = "values are held to the chart's values.schema.json: mend the one or the other"
	adviceReady     = "it waits until the other is ready: what that means is said by health.rules in the other's fairlead.yaml"
)

// adviceKustomization is for fields of Flux's Kustomization.
var adviceKustomization = advice{
	"patches":                       adviceKustomize,
	"images":                        adviceKustomize,
	"components":                    adviceKustomize,
	"commonMetadata":                "put it into the directory's kustomization.yaml, as labels and commonAnnotations",
	"namePrefix":                    "put it into the directory's kustomization.yaml",
	"nameSuffix":                    "put it into the directory's kustomization.yaml",
	"force":                         adviceReplace,
	"healthCheckExprs":              "write them as spec.health.rules of the Environment",
	"ignoreMissingComponents":       "name only components that are there",
	"decryption.serviceAccountName": "keys of a cloud are not used: encrypt for an age or OpenPGP key as well",
	"driftIgnoreRules":              "mark the objects with fairlead.dev/ignore, and these paths",
	"dependsOn[].readyExpr":         adviceReady,
}

// adviceSource is for fields of a GitRepository or OCIRepository.
var adviceSource = advice{
	"ignore":                   "write it into a .sourceignore in the root of the repository, which counts for directories of plain manifests: what a kustomization.yaml does not name is left out anyway",
	"recurseSubmodules":        "submodules are not fetched: name the other repository as a source of its own",
	"include":                  "name the other repository as a source of its own",
	"sparseCheckout":           "not needed: only what apps read is looked at",
	"proxySecretRef":           "set HTTPS_PROXY for Fairlead's controller",
	"provider":                 "cloud identities are not used for Git: put a token into the Secret",
	"serviceAccountName":       "cloud identities and pull secrets of a ServiceAccount are not used: put the credentials into the Secret that spec.secretRef of the Repository names",
	"certSecretRef":            "put its ca.crt into the Secret that spec.secretRef of the Repository names; client certificates are not used",
	"layerSelector":            "the first layer that holds an archive is taken",
	"verify.matchOIDCIdentity": "keyless signatures are not understood: sign with a key, and name the Secret that holds its public part",
}

// adviceCharts is for fields of a HelmRepository.
var adviceCharts = advice{
	"certSecretRef":   "put its ca.crt into the Secret that spec.render.charts of the Environment names; client certificates are not used",
	"insecure":        "say insecure under spec.render.charts of the Environment",
	"passCredentials": "credentials go to the address that they are for alone",
	"provider":        "cloud identities are not used for registries: put a token into the Secret",
	"suspend":         "no newer version is looked for today: name the version of each of its charts, and no range",
}

// adviceRelease is for fields of a HelmRelease.
var adviceRelease = advice{
	"postRenderers":         "write a kustomization.yaml with helmCharts and the patches beside it",
	"commonMetadata":        "write a kustomization.yaml with helmCharts and labels",
	"healthCheckExprs":      "write them as health.rules into fairlead.yaml: what they look at begins with object there",
	"maxHistory":            "Helm's records of ten revisions are kept, and older ones are deleted",
	"dependsOn[].readyExpr": adviceReady,

	"chart.spec.verify":                   "to have charts refused that nobody signed, set verify under spec.render.charts of the Environment",
	"chart.spec.valuesFiles":              "name files of the repository under helm.valueFiles, and copy what only the chart has",
	"chart.spec.valuesFile":               "name files of the repository under helm.valueFiles, and copy what only the chart has",
	"chart.spec.ignoreMissingValuesFiles": "a file of values that is not there is an error: name only those that are",

	"driftDetection.ignore": "mark the objects with fairlead.dev/ignore, and these paths, where they are fields that Git says and others change",
	"test.enable":           "name the tests of the chart under release.verify: see docs/tasks/verification.md",
	"test.filters":          "name the tests of the chart under release.verify: see docs/tasks/verification.md",

	"install.remediation":    "nothing is uninstalled since it failed: it stays as it is until Git changes",
	"upgrade.remediation":    adviceFailed,
	"upgrade.preserveValues": "values of earlier releases do not count: write them all down",
	"rollback.recreate":      "on the way back, pods are restarted only where their template changes",

	"uninstall.keepHistory":         "Helm's records of a release go with its app; what happened is kept by 'fairlead history'",
	"uninstall.deletionPropagation": "what the app's objects own is deleted with them, in the background",

	"*.force":                    adviceReplace,
	"*.disableHooks":             adviceHooks,
	"*.disableWait":              adviceWait,
	"*.disableWaitForJobs":       adviceWait,
	"*.disableOpenAPIValidation": "fields that the API server does not know are refused: 'fairlead check' names them",
	"*.disableSchemaValidation":  adviceSchema,
	"*.disableTakeOwnership":     "what is there already and no other app has is taken over: 'fairlead plan' shows it as adopt",
	"*.cleanupOnFail":            adviceFailed,
}

// adviceApplication is for fields of an Application.
var adviceApplication = advice{
	"ignoreDifferences":                   adviceIgnore,
	"sourceHydrator":                      "this has no equal: follow the branch that the hydrated manifests are on",
	"syncPolicy.managedNamespaceMetadata": "write the Namespace with these labels and annotations into Git, beside the app or in an app of its own",
	"source.plugin":                       advicePlugin,
	"sources[].plugin":                    advicePlugin,
}

// adviceHelm is for fields of an Application's helm.
var adviceHelm = advice{
	"fileParameters":          "a single value cannot be set from a file: hold it in values",
	"ignoreMissingValueFiles": "a file of values that is not there is an error: name only those that are",
	"namespace":               "templates are told the namespace that the app goes to, and no other",
	"passCredentials":         "credentials go to the address that they are for alone",
	"skipSchemaValidation":    adviceSchema,
}

// adviceFound is for fields of the template of an ApplicationSet over directories.
var adviceFound = advice{
	"source.helm":                         "write a fairlead.yaml with these options into each directory",
	"source.kustomize":                    "put images, patches and prefixes into each directory's kustomization.yaml: they are Kustomize's own",
	"source.directory":                    "a plain directory is taken as a whole, with those below it: name what belongs to the app in a kustomization.yaml, and Jsonnet in a fairlead.yaml",
	"source.plugin":                       advicePlugin,
	"sources":                             "an app is one directory: write a source into the Environment for each of them",
	"ignoreDifferences":                   adviceIgnore,
	"syncPolicy.managedNamespaceMetadata": "write the Namespaces with these labels and annotations into Git",
}

// adviceProject is for fields of an AppProject.
var adviceProject = advice{
	"syncWindows":                "write them as gates of the Environment: window and freeze",
	"signatureKeys":              "put the public keys into a Secret, and name it in spec.verify of the Repository",
	"sourceIntegrity":            "put the public keys into a Secret, and name it in spec.verify of the Repository",
	"roles":                      "who may do what is said by Kubernetes' own RBAC on Environments and Apps",
	"orphanedResources":          "objects that nobody ordered are not looked for",
	"destinationServiceAccounts": "name the account of its apps in spec.destination.serviceAccount of the Environment; it has to be in the namespace of that",
}

// noteUnknown is said of a field that nothing here knows.
const noteUnknown = "this field is not known, so nothing is made of it: look up what it does, and whether you need that"

// of is what to do about a field, at a path below spec.
func (a advice) of(field string) string {
	if text, ok := a[field]; ok {
		return text
	}
	if _, last, below := strings.Cut(field, "."); below {
		if text, ok := a["*."+last]; ok {
			return text
		}
	}
	return noteUnknown
}
