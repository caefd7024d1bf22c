// Package figures is what the benchmark measured, as values: how it is stored, how people read it, and whether it got worse.
//
//	runs, err := figures.Read(file)
//	figures.Table(os.Stdout, runs)
//	worse := figures.Compare(before, after, figures.Tolerance)
//
// Counts are exact: a request more is a request too many. Times mean little by themselves, since machines differ: they are judged as multiples of the raw limit
// that the same run measured, the time that the same objects take without an engine.
//
// It measures nothing, and knows no clock.
package figures
