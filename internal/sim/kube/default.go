package kube

import (
	"math"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// set gives a field a value unless it has one.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// point gives an optional field a value unless it has one.
func point[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func defaultNamespace(n *corev1.Namespace) {
	if n.Name != "" {
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[corev1.LabelMetadataName] = n.Name
	}
	set(&n.Status.Phase, corev1.NamespaceActive)
}

// defaultSecret moves stringData, which is never stored, into data.
func defaultSecret(s *corev1.Secret) {
	set(&s.Type, corev1.SecretTypeOpaque)
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

func defaultService(s *corev1.Service) {
	spec := &s.Spec
	set(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	if spec.SessionAffinity == corev1.ServiceAffinityNone {
		spec.SessionAffinityConfig = nil
	}
	set(&spec.Type, corev1.ServiceTypeClusterIP)
	for i := range spec.Ports {
		p := &spec.Ports[i]
		set(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if spec.Type != corev1.ServiceTypeExternalName {
		point(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
}

func defaultDeployment(d *appsv1.Deployment) {
	spec := &d.Spec
	point(&spec.Replicas, 1)
	set(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		point(&spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		point(&spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		point(&spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	point(&spec.RevisionHistoryLimit, 10)
	point(&spec.ProgressDeadlineSeconds, 600)
	defaultPod(&spec.Template.Spec)
}

func defaultJob(j *batchv1.Job) {
	spec := &j.Spec
	if spec.Completions == nil && spec.Parallelism == nil {
		point(&spec.Completions, 1)
	}
	point(&spec.Parallelism, 1)
	if spec.BackoffLimitPerIndex != nil {
		point(&spec.BackoffLimit, math.MaxInt32)
	}
	point(&spec.BackoffLimit, 6)
	if spec.Template.Labels != nil && len(j.Labels) == 0 {
		j.Labels = spec.Template.Labels
	}
	point(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	point(&spec.Suspend, false)
	if spec.PodFailurePolicy != nil {
		point(&spec.PodReplacementPolicy, batchv1.Failed)
	}
	point(&spec.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	point(&spec.ManualSelector, false)
	defaultPod(&spec.Template.Spec)
}

func defaultAutoscaler(a *autoscalingv2.HorizontalPodAutoscaler) {
	point(&a.Spec.MinReplicas, 1)
	if len(a.Spec.Metrics) == 0 {
		use := int32(80)
		a.Spec.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &use},
			},
		}}
	}
}

func defaultDefinition(d *apiextensionsv1.CustomResourceDefinition) {
	names := &d.Spec.Names
	set(&names.Singular, strings.ToLower(names.Kind))
	if names.Kind != "" {
		set(&names.ListKind, names.Kind+"List")
	}
	point(&d.Spec.Conversion, apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter})
	if len(d.Status.StoredVersions) == 0 {
		for _, v := range d.Spec.Versions {
			if v.Storage {
				d.Status.StoredVersions = []string{v.Name}
			}
		}
	}
}

func defaultPod(p *corev1.PodSpec) {
	set(&p.DNSPolicy, corev1.DNSClusterFirst)
	set(&p.RestartPolicy, corev1.RestartPolicyAlways)
	point(&p.SecurityContext, corev1.PodSecurityContext{})
	point(&p.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	set(&p.SchedulerName, corev1.DefaultSchedulerName)
	set(&p.DeprecatedServiceAccount, p.ServiceAccountName)
	set(&p.ServiceAccountName, p.DeprecatedServiceAccount)
	for i := range p.InitContainers {
		defaultContainer(&p.InitContainers[i])
	}
	for i := range p.Containers {
		defaultContainer(&p.Containers[i])
	}
	for i := range p.Volumes {
		defaultVolume(&p.Volumes[i].VolumeSource)
	}
}

func defaultContainer(c *corev1.Container) {
	set(&c.ImagePullPolicy, pullPolicy(c.Image))
	set(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	set(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		set(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil && from.FieldRef != nil {
			set(&from.FieldRef.APIVersion, "v1")
		}
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		set(&p.TimeoutSeconds, 1)
		set(&p.PeriodSeconds, 10)
		set(&p.SuccessThreshold, 1)
		set(&p.FailureThreshold, 3)
		if p.HTTPGet != nil {
			set(&p.HTTPGet.Path, "/")
			set(&p.HTTPGet.Scheme, corev1.URISchemeHTTP)
		}
	}
}

// pullPolicy is what an image without a policy gets: its tag, if it says one, is what decides.
func pullPolicy(image string) corev1.PullPolicy {
	name, _, digest := strings.Cut(image, "@")
	_, tag, tagged := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	if tag == "latest" || !tagged && !digest {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

func defaultVolume(v *corev1.VolumeSource) {
	const mode int32 = 0o644
	switch {
	case v.Secret != nil:
		point(&v.Secret.DefaultMode, mode)
	case v.ConfigMap != nil:
		point(&v.ConfigMap.DefaultMode, mode)
	case v.DownwardAPI != nil:
		point(&v.DownwardAPI.DefaultMode, mode)
	case v.Projected != nil:
		point(&v.Projected.DefaultMode, mode)
	}
}
