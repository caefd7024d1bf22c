// Package nearest finds the known word that a mistyped one probably meant, for errors such as
// `unknown field "dependOn": did you mean "dependsOn"?`.
//
// It knows nothing of fields, kinds or names: the caller brings the known words and writes the sentence.
package nearest

import "strings"

// longest is the longest word, in bytes, that is compared: the cost grows with the square of it.
const longest = 64

// Of returns the word of known that is nearest to word, and false when none is near enough to be meant. Upper and lower case count as
// equal; among equally near words the first in the alphabet wins, so that the order of known is irrelevant.
func Of(word string, known []string) (string, bool) {
	if len(word) == 0 || len(word) > longest {
		return "", false
	}
	best, at := "", longest+1
	for _, k := range known {
		if len(k) == 0 || len(k) > longest {
			continue
		}
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d > reach(word, k) || d > at || d == at && best <= k {
			continue
		}
		best, at = k, d
	}
	return best, best != ""
}

// reach is how many edits two words may be apart: a third of the shorter, one at least, but never all of it.
func reach(a, b string) int {
	n := min(len(a), len(b))
	return min(max(1, n/3), n-1)
}

// distance counts the insertions, deletions, changes and swaps of neighbours that make b of a.
func distance(a, b string) int {
	var before, last, row [longest + 1]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
