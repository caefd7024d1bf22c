package verify_test

import (
	"fmt"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/verify"
)

func TestReadPrometheus(t *testing.T) {
	for _, c := range []struct {
		answer verify.Answer
		want   string
	}{
		{verify.Answer{Status: 200, Body: []byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`)}, "[] "},
		{
			verify.Answer{Status: 200, Body: []byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"0.25"]},{"metric":{},"value":[1.5,"NaN"]}]}}`)},
			"[0.25 NaN] ",
		},
		{verify.Answer{Status: 200, Body: []byte(`{"status":"success","data":{"resultType":"scalar","result":[1.5,"+Inf"]}}`)}, "[+Inf] "},
		{verify.Answer{Status: 200, Body: []byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`)}, "[] the query yields a matrix, not numbers"},
		{verify.Answer{Status: 200, Body: []byte(`{"status":"success","data":{"resultType":"vector","result":[{"value":[1.5,"x"]}]}}`)}, "[] it answered what is no result of a query"},
		{verify.Answer{Status: 400, Body: []byte(`{"status":"error","errorType":"bad_data","error":"1:5: parse\nerror"}`)}, "[] Prometheus says: 1:5: parse error"},
		{verify.Answer{Status: 200, Body: []byte(`<html>`)}, "[] it answered 200, not as a Prometheus does"},
		{verify.Answer{Status: 502, Body: []byte(`{}`)}, "[] it answered 502, not as a Prometheus does"},
		{verify.Answer{Silent: "connection refused"}, "[] connection refused"},
	} {
		values, why := verify.ReadPrometheus(c.answer)
		if got := fmt.Sprint([]float64(values)) + " " + why; got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// FuzzReadPrometheus: whoever answers, it is read or it is said why not, in one line.
func FuzzReadPrometheus(f *testing.F) {
	f.Add(200, []byte(`{"status":"success","data":{"resultType":"vector","result":[{"value":[1.5,"0.25"]}]}}`))
	f.Add(400, []byte(`{"status":"error","error":"1:5: parse error"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if _, why := verify.ReadPrometheus(verify.Answer{Status: status, Body: body}); len(why) > 300 || !printable(why) {
			t.Errorf("%q", why)
		}
	})
}
