// Package object is a Kubernetes object as a plain, read-only value: its [Key], the [Object] itself, a [Set] of them,
// and YAML in and out.
//
// It never talks to a cluster, never imitates what an API server does to an object (defaulting, conversion), and
// never prints content: an Object formats as its name, so that no Secret reaches a log.
//
//	objs, err := object.Parse("apps/web/all.yaml", data)
//	web := objs[0]
//	fmt.Println(web, web.Origin()) // Deployment shop/web apps/web/all.yaml:1
package object
