package figures

import (
	"encoding/json"
	"errors"
	"fmt"
)

// several is the form of a file with more than one run.
type several struct {
	Runs []Run `json:"runs"`
}

// Encode is the text of a file: of one run that run itself, which other programs read, of several {"runs": […]}.
func Encode(runs []Run) ([]byte, error) {
	var content any = several{runs}
	if len(runs) == 1 {
		content = runs[0]
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode figures: %w", err)
	}
	return append(data, '\n'), nil
}

// Decode reads either form.
func Decode(data []byte) ([]Run, error) {
	var content struct {
		several
		Run
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	if content.Runs != nil {
		return content.Runs, nil
	}
	if content.N == 0 {
		return nil, errors.New("read figures: neither a run nor runs are in it")
	}
	return []Run{content.Run}, nil
}
