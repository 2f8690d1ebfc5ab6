package classify

import (
	_ "embed" // the network
	"encoding/json"
	"errors"
	"fmt"
)

// The network, MobileNetV2 1.4 with five classes, as extract/ takes it out of
// the package that publishes it; a test knows its checksum.
var (
	//go:embed graph.json
	graph string
	//go:embed weights.bin
	weights string
)

// tensor is where a layer's numbers are in weights, a byte each, and how they
// become real: byte * Scale + Min.
type tensor struct {
	At         int
	Min, Scale float64
}

// layer is a line of graph.json. It takes the result of the line before it.
type layer struct {
	Op            string // conv and depthwise: 3x3; pointwise: 1x1; dense
	Stride        int
	In, Out       int  // channels
	ReLU6         bool // cut to 0..6
	Add           int  // then add the result of this line, counted from 1; 0: nothing
	Weights, Bias tensor

	side    int // width and height of the result
	to, sum int // which buffer gets the result, which one is added
}

// plan reads the lines and lays out who works where: how long each of three
// buffers, the column buffer and the weights' buffer must be.
type plan struct {
	layers  []layer
	buffers [3]int
	columns int
	weights int
}

var errGraph = errors.New("the network's graph and weights do not fit")

func newPlan(lines []byte, size int) (plan, error) {
	var p plan
	if err := json.Unmarshal(lines, &p.layers); err != nil {
		return plan{}, fmt.Errorf("%w: %w", errGraph, err)
	}
	now, channels, at := side, 3, -1
	keep := map[int]int{} // line, from 1: the last line that adds its result
	for i, l := range p.layers {
		keep[l.Add] = i + 1
	}
	for i := range p.layers {
		l := &p.layers[i]
		if l.In != channels || l.Add < 0 || l.Add > i || l.Stride < 1 || l.Stride > 2 {
			return plan{}, fmt.Errorf("%w: line %d", errGraph, i+1)
		}
		now = (now + l.Stride - 1) / l.Stride
		l.side = now
		count, err := p.reserve(l, now)
		if err != nil || !inside(l.Weights, count, size) || !inside(l.Bias, l.Out, size) {
			return plan{}, fmt.Errorf("%w: line %d", errGraph, i+1)
		}
		// The result goes where neither the input is nor a result that is still to be added.
		taken := map[int]bool{at: true}
		for j := range i {
			if keep[j+1] > i {
				taken[p.layers[j].to] = true
			}
		}
		for l.to = 0; taken[l.to]; l.to++ {
		}
		if l.to >= len(p.buffers) {
			return plan{}, fmt.Errorf("%w: line %d", errGraph, i+1)
		}
		if l.Add > 0 {
			l.sum = p.layers[l.Add-1].to
		}
		rows := (now*now + tall - 1) / tall * tall
		p.buffers[l.to] = max(p.buffers[l.to], rows*wide(l.Out))
		channels, at = l.Out, l.to
	}
	if n := len(p.layers); n == 0 || p.layers[n-1].Op != "dense" || channels != 5 {
		return plan{}, fmt.Errorf("%w: no five classes at the end", errGraph)
	}
	return p, nil
}

// reserve makes the shared buffers long enough for l and returns how many
// weights it has.
func (p *plan) reserve(l *layer, side int) (int, error) {
	switch {
	case l.Op == "conv" && !(l.ReLU6 && l.Add > 0):
		p.columns = max(p.columns, (side*side+tall)*9*l.In)
		p.weights = max(p.weights, 9*l.In*wide(l.Out))
		return 9 * l.In * l.Out, nil
	case l.Op == "depthwise" && l.ReLU6 && l.Add == 0 && l.In == l.Out:
		p.weights = max(p.weights, 9*wide(l.Out))
		return 9 * l.Out, nil
	case l.Op == "pointwise" && l.Stride == 1 && !(l.ReLU6 && l.Add > 0):
		p.weights = max(p.weights, l.In*wide(l.Out))
		return l.In * l.Out, nil
	case l.Op == "dense" && !l.ReLU6 && l.Add == 0:
		return l.In * l.Out, nil
	}
	return 0, errGraph
}

func inside(t tensor, count, size int) bool {
	return t.At >= 0 && count > 0 && t.At <= size-count
}
