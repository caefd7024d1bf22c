package figures

// Run is what one run measured: one workload on one control plane. Parts that were not asked for are nil.
type Run struct {
	// N is how many apps there are, of ObjectsPerApp objects each.
	N             int `json:"n"`
	ObjectsPerApp int `json:"objects_per_app"`

	Machine    Machine     `json:"machine"`
	RawLimit   *RawLimit   `json:"raw_limit,omitempty"`
	Cold       *Cold       `json:"cold,omitempty"`
	Change     *Change     `json:"change,omitempty"`
	SharedBase *SharedBase `json:"shared_base,omitempty"`
	Drift      *Drift      `json:"drift,omitempty"`
	Idle       *Idle       `json:"idle,omitempty"`
	Depend     *Depend     `json:"depend,omitempty"`
	Prune      *Prune      `json:"prune,omitempty"`
	Restart    *Restart    `json:"restart,omitempty"`
	Memory     *Memory     `json:"memory,omitempty"`
	Render     *Render     `json:"render,omitempty"`
}

// Machine is where, when and of what a run was.
type Machine struct {
	Cores      int    `json:"cores"`
	CPU        string `json:"cpu"`
	Go         string `json:"go"`
	Kubernetes string `json:"kubernetes"`
	Commit     string `json:"commit"`
	Date       string `json:"date"`
	// Data is where the data of the control plane and of the engine were, such as "tmpfs /dev/shm".
	Data string `json:"data"`
	// OthersPercent is how much of all CPU other programs used meanwhile: they make times longer, each of them by chance.
	OthersPercent float64 `json:"others_percent"`
	// Profiled says that profiles were taken meanwhile, which costs time.
	Profiled bool `json:"profiled,omitempty"`
}

// RawLimit is how long the objects take without an engine, at the best number of workers.
type RawLimit struct {
	Workers      int     `json:"workers"`
	ApplyS       float64 `json:"apply_s"`
	DryRunApplyS float64 `json:"dry_run_apply_s"`
	// BurstMS is many hand edits at once, each undone by an apply as soon as it is answered.
	BurstMS Spread `json:"burst_ms"`
}

// Counts are requests to the API server by verb and resource, such as "apply configmaps".
type Counts map[string]int

// Cold is the first sync of everything, from the creation of the Environment.
type Cold struct {
	// AppliedS is until every object exists, SettledS until every status says so.
	AppliedS float64 `json:"applied_s"`
	SettledS float64 `json:"settled_s"`
	Requests int     `json:"requests"`
	DryRuns  int     `json:"dry_runs"`
	Applies  int     `json:"applies"`
	By       Counts  `json:"requests_by"`
	Renders  int     `json:"renders"`
	Fetches  int     `json:"fetches"`
	CPUS     float64 `json:"cpu_s"`
}

// Change is a commit that changes one line of one app. Times are from just before the webhook is sent.
type Change struct {
	// LatencyMS is until the object has the new value, SettledMS until every status says so.
	LatencyMS Spread `json:"latency_ms"`
	SettledMS Spread `json:"settled_ms"`
	// Requests are those of one commit: the median of the counted ones, of which RequestsMost had the most.
	Requests     int     `json:"requests"`
	RequestsMost int     `json:"requests_most"`
	By           Counts  `json:"requests_by"`
	Renders      int     `json:"renders"`
	Fetches      int     `json:"fetches"`
	CPUMS        float64 `json:"cpu_ms"`
}

// SharedBase is a commit that changes what Dependents apps are made from.
type SharedBase struct {
	Dependents int `json:"dependents"`
	Renders    int `json:"renders"`
	// AppliedS is until the last of their objects has the new value.
	AppliedS float64 `json:"applied_s"`
	Requests int     `json:"requests"`
}

// Drift is a change by hand, until it is undone.
type Drift struct {
	LatencyMS Spread `json:"latency_ms"`
	// BurstMS is the same of as many edits at once.
	BurstMS Spread `json:"burst_ms"`
	// Requests are those of one edit.
	Requests int    `json:"requests"`
	By       Counts `json:"requests_by"`
}

// Idle is a time in which nothing happens. Writes are without those of the Lease.
type Idle struct {
	Seconds     float64 `json:"seconds"`
	Lists       int     `json:"lists"`
	DryRuns     int     `json:"dry_runs"`
	Writes      int     `json:"writes"`
	GitRequests int     `json:"git_requests"`
	CPUSPerMin  float64 `json:"cpu_s_per_min"`
	By          Counts  `json:"requests_by"`
}

// Depend is a commit that changes an app and another one that depends on it: from the event that shows the one ready to that of the other's change.
type Depend struct {
	LatencyMS Spread `json:"latency_ms"`
}

// Prune is a commit that removes one object, until it is gone.
type Prune struct {
	LatencyMS Spread `json:"latency_ms"`
}

// Restart is a new process on what the one before left, from its start until it knows every app to be well.
type Restart struct {
	SettledS float64 `json:"settled_s"`
	DryRuns  int     `json:"dry_runs"`
	Writes   int     `json:"writes"`
	Renders  int     `json:"renders"`
	Requests int     `json:"requests"`
	By       Counts  `json:"requests_by"`
	CPUS     float64 `json:"cpu_s"`
}

// Memory is that of the controller and of the processes that it runs.
type Memory struct {
	// PeakMiB is the most of the whole run, SettledMiB what is in use when all is done.
	PeakMiB    float64 `json:"peak_mib"`
	SettledMiB float64 `json:"settled_mib"`
}

// Render is what rendering takes, without a cluster. It is the same for every workload, and measured in the first run alone.
type Render struct {
	Overlays Rendered     `json:"overlays"` // of Kustomize
	Charts   Rendered     `json:"charts"`   // of Helm
	Base     RenderedBase `json:"base"`
}

// Rendered is the rendering of one kind of apps.
type Rendered struct {
	Apps int `json:"apps"`
	// ColdS is until all are rendered, as many at once as there are cores; EachMS is one of them.
	ColdS  float64 `json:"cold_s"`
	EachMS Spread  `json:"each_ms"`
	// ChangeMS is from a fetched commit of one line until what it concerns is found and rendered; ChangeRenders is the most apps that were.
	ChangeMS      Spread `json:"change_ms"`
	ChangeRenders int    `json:"change_renders"`
}

// RenderedBase is a commit that changes what Dependents overlays are made from.
type RenderedBase struct {
	Dependents int     `json:"dependents"`
	Renders    int     `json:"renders"`
	MS         float64 `json:"ms"`
}
