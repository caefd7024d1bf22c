package object

import (
	"crypto/sha256"
	"fmt"
)

// mostGenerated leaves room for what controllers put behind the name of an object: the Pods of a Job have labels with it.
const mostGenerated = 50

// named gives an object a name that has a metadata.generateName instead: that, and what identifies the rest of it. So it has the same name whenever it is read, and
// another one if it is another. What it was made of stays: see [Object.IsNamed].
func named(o Object) Object {
	begin := o.Text("metadata", "generateName")
	if begin == "" || o.At("metadata", "name") != nil {
		return o
	}
	return o.With(generated(o, begin), "metadata", "name")
}

func generated(o Object, begin string) string {
	sum := sha256.Sum256(o.JSON())
	return begin[:min(len(begin), mostGenerated)] + fmt.Sprintf("%x", sum[:4])
}

// IsNamed reports whether an object was written without a name, and was given one by its metadata.generateName when it was read.
func (o Object) IsNamed() bool {
	begin := o.Text("metadata", "generateName")
	return begin != "" && o.Name() == generated(o.With(nil, "metadata", "name"), begin)
}
