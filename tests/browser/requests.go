package browser

import (
	"encoding/json"
	"slices"
	"sync"
)

// Request is one entry of a browser's own network log.
type Request struct {
	Method, URL string
	Range       string // the header, as it was sent; empty: none
	Status      int    // of the answer; 0: there was none, or not yet
}

// requests is Chromium's network log.
type requests struct {
	mu   sync.Mutex
	all  []Request
	byID map[string]int // place in all of what an id of the protocol stands for
}

// event keeps what the Network domain tells.
func (r *requests) event(method string, params json.RawMessage) {
	var e struct {
		RequestID string `json:"requestId"`
		Request   struct {
			URL, Method string
			Headers     map[string]string
		} `json:"request"`
		Headers  map[string]string `json:"headers"`
		Response struct {
			Status int `json:"status"`
		} `json:"response"`
		Redirect *struct {
			Status int `json:"status"`
		} `json:"redirectResponse"`
	}
	switch method {
	case "Network.requestWillBeSent", "Network.requestWillBeSentExtraInfo", "Network.responseReceived":
	default:
		return
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.byID[e.RequestID]
	switch method {
	case "Network.requestWillBeSent":
		if known && e.Redirect != nil {
			r.all[at].Status = e.Redirect.Status
		}
		r.byID[e.RequestID] = len(r.all)
		r.all = append(r.all, Request{Method: e.Request.Method, URL: e.Request.URL, Range: e.Request.Headers["Range"]})
	case "Network.requestWillBeSentExtraInfo":
		// The headers that the page's own log leaves out.
		if known && e.Headers["Range"] != "" {
			r.all[at].Range = e.Headers["Range"]
		}
	case "Network.responseReceived":
		if known {
			r.all[at].Status = e.Response.Status
		}
	}
}

func (r *requests) list() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Requests returns what the page has asked for since the start, in the order of asking.
func (c *Chromium) Requests() ([]Request, error) { return c.requests.list(), nil }

// watchRequests makes Firefox keep what every part of it asks for.
const watchRequests = `window.emberdropRequests = [];
	const header = channel => { try { return channel.getRequestHeader("Range"); } catch { return ""; } };
	Services.obs.addObserver(subject => {
		const channel = subject.QueryInterface(Ci.nsIHttpChannel);
		window.emberdropRequests.push({channel, Method: channel.requestMethod, URL: channel.URI.spec, Range: header(channel), Status: 0});
	}, "http-on-modify-request");
	Services.obs.addObserver(subject => {
		const channel = subject.QueryInterface(Ci.nsIHttpChannel);
		const entry = window.emberdropRequests.findLast(entry => entry.channel === channel);
		if (entry) entry.Status = channel.responseStatus;
	}, "http-on-examine-response");`

// Requests returns what the browser has asked for since the start, its own
// wishes included, in the order of asking.
func (f *Firefox) Requests() (all []Request, err error) {
	err = f.script("chrome", `return window.emberdropRequests.map(({channel, ...entry}) => entry)`, nil, &all)
	return all, err
}
