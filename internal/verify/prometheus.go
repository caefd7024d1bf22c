package verify

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// ReadPrometheus reads the answer to an instant query of Prometheus' HTTP API, version 1. It returns why there is none, if there is none.
func ReadPrometheus(a Answer) (values Values, why string) {
	if why := a.Unasked + a.Silent; why != "" {
		return nil, why
	}
	var said struct {
		Status, ErrorType, Error string
		Data                     struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	err := json.Unmarshal(a.Body, &said)
	switch {
	case err == nil && said.Status == "error":
		return nil, line("Prometheus says: "+said.Error, 200)
	case a.Status != 200, err != nil, said.Status != "success":
		return nil, fmt.Sprintf("it answered %d, not as a Prometheus does", a.Status)
	}
	var samples []sample
	switch said.Data.ResultType {
	case "vector":
		var series []struct{ Value sample }
		err = json.Unmarshal(said.Data.Result, &series)
		for _, s := range series {
			samples = append(samples, s.Value)
		}
	case "scalar":
		samples = make([]sample, 1)
		err = json.Unmarshal(said.Data.Result, &samples[0])
	default:
		return nil, fmt.Sprintf("the query yields a %.20s, not numbers", said.Data.ResultType)
	}
	if err != nil {
		return nil, "it answered what is no result of a query"
	}
	for _, s := range samples {
		values = append(values, float64(s))
	}
	return values, ""
}

// sample is a pair of a time and a number, which is a text.
type sample float64

// UnmarshalJSON reads the number.
func (s *sample) UnmarshalJSON(data []byte) error {
	var pair [2]any
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	text, _ := pair[1].(string)
	f, err := strconv.ParseFloat(text, 64)
	*s = sample(f)
	return err
}
