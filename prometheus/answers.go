package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// answers is what can be asked.
type answers struct {
	engine *promql.Engine
	db     *tsdb.DB
	rules  *rules.Manager
}

// alert is an alert rule and how it stands.
type alert struct {
	Name   string    `json:"name"`
	File   string    `json:"file"`
	State  string    `json:"state"` // inactive, pending or firing
	Health string    `json:"health"`
	Error  string    `json:"error,omitempty"`
	Looked time.Time `json:"looked"` // when it was evaluated last; zero: never
	// Firing are what it fires for, each with its labels and, filled in, its annotations.
	Firing []fires `json:"firing,omitempty"`
}

type fires struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func (a answers) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /query", a.query)
	mux.HandleFunc("GET /api/v1/query", a.api)
	mux.HandleFunc("GET /rules", a.alerts)
	return mux
}

// query answers an instant query with what it returns; one that is wrong or fails is status 400, with the reason.
func (a answers) query(w http.ResponseWriter, r *http.Request) {
	q, err := a.engine.NewInstantQuery(r.Context(), a.db, nil, r.FormValue("query"), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer q.Close()
	result := q.Exec(r.Context())
	if result.Err != nil {
		http.Error(w, result.Err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, result.Value)
}

// api answers an instant query as Prometheus' HTTP API does, for those who speak that: https://prometheus.io/docs/prometheus/latest/querying/api/. Of its
// parameters it knows query, and time in seconds.
func (a answers) api(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	if text := r.FormValue("time"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			refuse(w, err)
			return
		}
		at = time.UnixMilli(int64(seconds * 1000))
	}
	q, err := a.engine.NewInstantQuery(r.Context(), a.db, nil, r.FormValue("query"), at)
	if err != nil {
		refuse(w, err)
		return
	}
	defer q.Close()
	result := q.Exec(r.Context())
	if result.Err != nil {
		refuse(w, result.Err)
		return
	}
	answer(w, map[string]any{"status": "success", "data": map[string]any{"resultType": result.Value.Type(), "result": result.Value}})
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
}

func (a answers) alerts(w http.ResponseWriter, _ *http.Request) {
	all := []alert{}
	for _, g := range a.rules.RuleGroups() {
		for _, r := range g.AlertingRules() {
			x := alert{Name: r.Name(), File: g.File(), State: r.State().String(), Health: string(r.Health()), Looked: r.GetEvaluationTimestamp()}
			if err := r.LastError(); err != nil {
				x.Error = err.Error()
			}
			for _, f := range r.ActiveAlerts() {
				if f.State == rules.StateFiring {
					x.Firing = append(x.Firing, fires{f.Labels.Map(), f.Annotations.Map()})
				}
			}
			all = append(all, x)
		}
	}
	answer(w, all)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who does not read on is told nothing
}
