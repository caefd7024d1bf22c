package health

import "github.com/fairlead-cd/fairlead/internal/object"

// provisioner is set on a claim by the volume controller once it has asked for a volume.
var provisioner = []string{"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"}

// claim judges a PersistentVolumeClaim. One whose class binds on first use stays Pending until a pod uses it, and that pod may be
// in a later wave: were it Progressing, neither would ever come. The class is not in sight here, but the volume controller marks
// each claim that it asks a volume for. A Pending claim without that mark, and that names no volume, has nobody to wait for but its first consumer:
// it is Healthy. If its class is missing instead, the pod that uses it is the one that says so.
func claim(o object.Object) Verdict {
	switch phase := o.Text("status", "phase"); phase {
	case "Bound":
		return sayf(Healthy, "bound to %s", o.Text("spec", "volumeName"))
	case "Lost":
		return sayf(Degraded, "its volume %s is gone", o.Text("spec", "volumeName"))
	case "":
		return say(Progressing, "its controller has not seen it yet")
	}
	if volume := o.Text("spec", "volumeName"); volume != "" {
		return sayf(Progressing, "waits for volume %s", volume)
	}
	for _, name := range provisioner {
		if by := o.Annotation(name); by != "" {
			return sayf(Progressing, "waits for a volume of %s", by)
		}
	}
	if class := o.At("spec", "storageClassName"); class == "" {
		return say(Progressing, "waits for a volume that somebody makes by hand (storageClassName is empty)")
	}
	return say(Healthy, "waits for its first consumer")
}

func volume(o object.Object) Verdict {
	why := because(o.Text("status", "reason"), o.Text("status", "message"))
	switch phase := o.Text("status", "phase"); phase {
	case "Failed":
		return say(Degraded, because("could not be reclaimed", why))
	case "Pending", "":
		return say(Progressing, because("not available yet", why))
	case "Released":
		return say(Healthy, "released by its claim")
	}
	return say(Healthy, "")
}
