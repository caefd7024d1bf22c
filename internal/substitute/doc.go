// Package substitute puts the values of variables into objects, in the syntax and with the meaning that Flux gives it, and strictly: a variable without a value
// is an error.
//
//	out, err := substitute.Object(o, substitute.Variables{"replicas": "3"}) // spec.replicas: ${replicas} is the number 3 now
//
//	${name}                   the value
//	${name:-text} ${name:=text} ${name=text}   the value, or the text if it is empty or there is none; the text may have variables
//	${name^} ${name^^} ${name,} ${name,,}       with the first letter, or all, in upper or lower case
//	${name:2} ${name:2:3}     from the third byte on, three of them; a negative offset counts from the end
//	${name/a/b} ${name//a/b} ${name/#a/b} ${name/%a/b}   the first a replaced, every one, at the begin, at the end
//	${name#glob} ${name##glob} ${name%glob} ${name%%glob}   without the shortest or longest begin or end of a pattern
//	${#name}                  how many bytes it has
//	$${name}                  the text ${name}; $$ is a single $
//
// A text that is not quoted in YAML as a tool prints it is read as YAML again once values are in it, as Flux does: it may become a number, a boolean, a list or a
// map. What has to be a text whatever is in it, such as a label, an annotation, an entry of a ConfigMap, a command or the value of an environment variable of a
// container, stays one; with Flux the API server refuses it.
//
// What cannot be read as one value stays the text that it is: unlike with Flux, a value is never the begin of a comment, another line or another field.
//
// Invariants: nothing but the variables decides what comes out; no value is in an error.
package substitute
