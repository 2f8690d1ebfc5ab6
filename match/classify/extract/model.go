package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// model is the part of a TensorFlow.js graph model that is read here.
type model struct {
	Topology struct {
		Node []node `json:"node"`
	} `json:"modelTopology"`
	Manifest []struct {
		Weights []struct {
			Name         string `json:"name"`
			Shape        []int  `json:"shape"`
			Dtype        string `json:"dtype"`
			Quantization struct {
				Min   float64 `json:"min"`
				Scale float64 `json:"scale"`
				Dtype string  `json:"dtype"`
			} `json:"quantization"`
		} `json:"weights"`
	} `json:"weightsManifest"`
}

type node struct {
	Name  string   `json:"name"`
	Op    string   `json:"op"`
	Input []string `json:"input"`
	Attr  struct {
		Strides  intList `json:"strides"`
		Dilation intList `json:"dilations"`
		Kernel   intList `json:"ksize"`
		Padding  text    `json:"padding"`
		Format   text    `json:"data_format"`
		Fused    struct {
			List struct {
				S [][]byte `json:"s"`
			} `json:"list"`
		} `json:"fused_ops"`
	} `json:"attr"`
}

type intList struct {
	List struct {
		I []string `json:"i"`
	} `json:"list"`
}

type text struct {
	S []byte `json:"s"` // base64 in the file
}

// tensor is where a layer's numbers are in weights.bin, one byte each, and how
// they become real: byte * Scale + Min. layer has its twin in match/classify.
type tensor struct {
	At    int     `json:"at"`
	Min   float64 `json:"min"`
	Scale float64 `json:"scale"`
	shape []int
}

type layer struct {
	Op      string `json:"op"` // conv: 3x3; depthwise: 3x3; pointwise: 1x1; dense
	Stride  int    `json:"stride"`
	In      int    `json:"in"`
	Out     int    `json:"out"`
	ReLU6   bool   `json:"relu6,omitempty"`
	Add     int    `json:"add,omitempty"` // add the result of this layer, counted from 1
	Weights tensor `json:"weights"`
	Bias    tensor `json:"bias"`
}

var (
	object = regexp.MustCompile(`\{format:"graph-model".*\}\]\}\]\}`)
	key    = regexp.MustCompile(`([{,])([A-Za-z_]\w*):`)
	point  = regexp.MustCompile(`([:,\[]-?)\.`)
	truth  = regexp.MustCompile(`:!([01])`)
)

// parseModel reads the object literal in the script: minified JavaScript, whose
// keys, numbers and truth values are made JSON's first. No string in it looks
// like one of those; if one did, the checks of layers would fail.
func parseModel(script []byte) (*model, error) {
	found := object.Find(script)
	if found == nil {
		return nil, errors.New("model.min.js: no graph model in it")
	}
	found = key.ReplaceAll(found, []byte(`$1"$2":`))
	found = point.ReplaceAll(found, []byte(`${1}0.`))
	found = truth.ReplaceAllFunc(found, func(b []byte) []byte {
		return map[byte][]byte{'0': []byte(":true"), '1': []byte(":false")}[b[2]]
	})
	m := new(model)
	if err := json.Unmarshal(found, m); err != nil {
		return nil, fmt.Errorf("model.min.js: %w", err)
	}
	return m, nil
}

// tensors lays the weights out as the manifest says: one behind the other.
func (m *model) tensors(size int) (map[string]tensor, error) {
	all := map[string]tensor{}
	at := 0
	for _, group := range m.Manifest {
		for _, w := range group.Weights {
			if w.Dtype != "float32" || w.Quantization.Dtype != "uint8" {
				return nil, fmt.Errorf("%s: not a float32 in a byte", w.Name)
			}
			all[w.Name] = tensor{at, w.Quantization.Min, w.Quantization.Scale, w.Shape}
			at += product(w.Shape)
		}
	}
	if at != size {
		return nil, fmt.Errorf("the manifest names %d bytes, there are %d", at, size)
	}
	return all, nil
}

func product(shape []int) int {
	n := 1
	for _, side := range shape {
		n *= side
	}
	return n
}

// layers turns the graph into a list in which each layer takes the result of
// the one before it, and refuses a graph that is not such a list.
func (m *model) layers(size int) ([]layer, error) {
	tensors, err := m.tensors(size)
	if err != nil {
		return nil, err
	}
	var layers []layer
	made := map[string]int{} // name of a result: the layer that makes it, from 1
	last := ""
	for _, n := range m.Topology.Node {
		switch n.Op {
		case "Const", "Placeholder", "Identity", "Mul", "Squeeze", "Softmax":
			// Mul and Sub are the input's 2x-1; the rest computes nothing, or is the end
			if n.Op == "Const" || n.Op == "Identity" {
				continue
			}
		case "Sub":
			if t := tensors[n.Input[1]]; t.Min != 1 || tensors[m.find("Mul").Input[0]].Min != 2 {
				return nil, errors.New("the input is not 2x-1")
			}
		case "AvgPool":
			if !slices.Equal(n.Attr.Kernel.List.I, []string{"1", "7", "7", "1"}) {
				return nil, errors.New("the pool is not 7x7")
			}
		case "AddV2":
			if n.Input[1] != last || made[n.Input[0]] == 0 {
				return nil, fmt.Errorf("%s adds something else", n.Name)
			}
			layers[len(layers)-1].Add = made[n.Input[0]]
		default:
			l, err := n.layer(tensors)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", n.Name, err)
			}
			layers = append(layers, l)
		}
		if n.Op != "AddV2" && last != "" && !slices.Contains(n.Input, last) {
			return nil, fmt.Errorf("%s does not follow %s", n.Name, last)
		}
		last = n.Name
		made[last] = len(layers)
	}
	return layers, nil
}

func (m *model) find(op string) node {
	return m.Topology.Node[slices.IndexFunc(m.Topology.Node, func(n node) bool { return n.Op == op })]
}

func (n node) layer(tensors map[string]tensor) (layer, error) {
	if len(n.Input) != 3 {
		return layer{}, errors.New("not an input, weights and a bias")
	}
	l := layer{Stride: 1, Weights: tensors[n.Input[1]], Bias: tensors[n.Input[2]]}
	shape := l.Weights.shape
	switch {
	case n.Op == "_FusedMatMul" && len(shape) == 2:
		l.Op, l.In, l.Out = "dense", shape[0], shape[1]
	case n.Op == "_FusedConv2D" && slices.Equal(shape[:2], []int{3, 3}):
		l.Op, l.In, l.Out = "conv", shape[2], shape[3]
	case n.Op == "_FusedConv2D" && slices.Equal(shape[:2], []int{1, 1}):
		l.Op, l.In, l.Out = "pointwise", shape[2], shape[3]
	case n.Op == "FusedDepthwiseConv2dNative" && slices.Equal(shape[:2], []int{3, 3}) && shape[3] == 1:
		l.Op, l.In, l.Out = "depthwise", shape[2], shape[2]
	default:
		return layer{}, fmt.Errorf("unknown: %s %v", n.Op, shape)
	}
	for i, fused := range n.Attr.Fused.List.S {
		switch {
		case i == 0 && string(fused) == "BiasAdd":
		case i == 1 && string(fused) == "Relu6":
			l.ReLU6 = true
		default:
			return layer{}, fmt.Errorf("unknown: %s", fused)
		}
	}
	if product(l.Bias.shape) != l.Out {
		return layer{}, errors.New("the bias does not fit")
	}
	if l.Op == "dense" {
		return l, nil
	}
	if string(n.Attr.Padding.S) != "SAME" || string(n.Attr.Format.S) != "NHWC" ||
		!slices.Equal(n.Attr.Dilation.List.I, []string{"1", "1", "1", "1"}) {
		return layer{}, errors.New("unknown padding, format or dilation")
	}
	switch s := n.Attr.Strides.List.I; {
	case slices.Equal(s, []string{"1", "2", "2", "1"}):
		l.Stride = 2
	case !slices.Equal(s, []string{"1", "1", "1", "1"}):
		return layer{}, errors.New("unknown stride")
	}
	return l, nil
}
