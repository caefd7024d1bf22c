package kube

import (
	"reflect"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestQuick: what is converted without reflection becomes what it becomes with it, or is left to that.
func TestQuick(t *testing.T) {
	at := metav1.Date(2026, 3, 1, 10, 20, 30, 0, time.UTC)
	holder, seconds, micro, yes := "p1", int32(30), metav1.NewMicroTime(at.Add(12345*time.Microsecond)), true
	metas := []metav1.ObjectMeta{
		{},
		{Name: "a", Namespace: "b", GenerateName: "c", UID: "d", ResourceVersion: "5", Generation: 7, CreationTimestamp: at},
		{Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": ""}, Finalizers: []string{"x", "y"}},
		{Labels: map[string]string{}, Finalizers: []string{}},
		{OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "A", Name: "b", UID: "c", Controller: &yes}}},
		{DeletionTimestamp: &at, DeletionGracePeriodSeconds: new(int64)},
		{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}},
	}
	for _, meta := range metas {
		for _, s := range []*corev1.Secret{
			{ObjectMeta: meta},
			{ObjectMeta: meta, Type: "t", Data: map[string][]byte{"a": []byte("b"), "c": {}}},
			{ObjectMeta: meta, Data: map[string][]byte{"a": nil}},
			{ObjectMeta: meta, Data: map[string][]byte{}, Immutable: &yes, StringData: map[string]string{"a": "b"}},
		} {
			quickly(t, s, &corev1.Secret{}, quickSecretContent, quickSecret)
		}
		for _, l := range []*coordinationv1.Lease{
			{ObjectMeta: meta},
			{ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &micro, RenewTime: &micro}},
			{ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{LeaseTransitions: &seconds}},
			{ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{}, AcquireTime: &metav1.MicroTime{Time: at.Time}}},
		} {
			quickly(t, l, &coordinationv1.Lease{}, quickLeaseContent, quickLease)
		}
	}
	for _, odd := range []map[string]any{
		{"metadata": map[string]any{"name": 1}},
		{"metadata": map[string]any{"labels": nil}},
		{"metadata": nil},
		{"data": map[string]any{"a": "%"}},
		{"spec": map[string]any{"renewTime": "2026-03-01T10:20:30Z"}},
		{"spec": map[string]any{"holderIdentity": nil}},
		{"unknown": "x"},
	} {
		if quickSecret(odd, &corev1.Secret{}) && quickLease(odd, &coordinationv1.Lease{}) {
			t.Errorf("%v is not left to reflection", odd)
		}
	}
}

func quickly[T any](t *testing.T, in, empty *T, content func(*T) (map[string]any, bool), read func(map[string]any, *T) bool) {
	t.Helper()
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := content(in); ok && !reflect.DeepEqual(got, want) {
		t.Errorf("%T becomes\n%#v, and by reflection\n%#v", in, got, want)
	}
	var slow T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(want, &slow); err != nil {
		t.Fatal(err)
	}
	if read(want, empty) && !reflect.DeepEqual(*empty, slow) {
		t.Errorf("%#v becomes\n%#v, and by reflection\n%#v", want, *empty, slow)
	}
}
