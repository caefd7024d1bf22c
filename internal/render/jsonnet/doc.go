// Package jsonnet evaluates Jsonnet to the objects in it, in a process of its own.
//
//	found, err := jsonnet.Evaluate(jsonnet.Request{File: "apps/web/main.jsonnet", Import: read})
//	found[0].JSON // an object with apiVersion and kind, and where it was written
//
// The interpreter can be neither stopped nor measured from outside, and one expression of it can ask for all memory that there is. So it runs in a child: this
// program, started with [Flag]. The child has nothing but two pipes. It asks for each file that it imports, and gets it from the parent; it has limits of the
// kernel on what it computes and holds, and is killed when it takes too long. What an evaluation may cost, and why it is a process, is in decision 22.
//
//	parent                              child
//	  job ──────────────────────────────▶ limits itself
//	  contents of main.jsonnet ◀────────  import
//	  contents of web.libsonnet ◀───────  import, when it is evaluated
//	  objects, or what is wrong ◀───────  and it ends
//
// Invariants:
//   - Nothing is read but what Import returns, and nothing is written. There are no native functions.
//   - A child lives as long as one evaluation, and ends with its parent. At most two are alive.
//   - What a user can mend is fault.Invalid and begins with file:line:column. That a machine was too busy is fault.Transient.
package jsonnet
