package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"emberdrop/harden"
	"emberdrop/link"
	"emberdrop/match"
	"emberdrop/match/classify"
	"emberdrop/match/hook"
	"emberdrop/report"
)

// judges are serve's flags about who looks at uploads beside the lists: the
// built-in classifier, clamd, and a program of the operator's own.
type judges struct {
	classify string
	at       float64
	clamd    string
	hook     string
	rules    []string
	ffmpeg   string

	model   *classify.Model // nil: off
	classes map[string]match.Action
	asked   []hook.Rule
	video   *hook.Video // nil: there is no decoder
}

func (j *judges) register(set *pflag.FlagSet) {
	set.StringVar(&j.classify, "classify", "label", "what becomes of pictures that the built-in classifier takes for porn: `off|label|hold|block`,\nor of each class: porn=hold,hentai=label,sexy=off")
	set.Float64Var(&j.at, "classify-at", 0.85, "from which `score` on, above 0 and up to 1")
	set.StringVar(&j.clamd, "clamd", "", "unix `socket` of ClamAV's clamd: what it finds is refused")
	set.StringVar(&j.hook, "scan-hook", "", "unix `socket` of a classifier of your own")
	set.StringArrayVar(&j.rules, "scan-rule", nil, "what becomes of what it labels, `LABEL=SCORE:ACTION` such as violence=0.9:hold (repeatable)")
	set.StringVar(&j.ffmpeg, "video-decoder", "", "`path` of an ffmpeg that takes pictures out of videos, shut in; without one only their digests are looked at")
}

// open makes ready what the flags ask for.
func (j *judges) open() (err error) {
	bad := func(flag string, err error) error { return usageError{fmt.Errorf("--%s: %w", flag, err)} }
	if j.classes, err = classesOf(j.classify); err != nil {
		return bad("classify", err)
	}
	if j.at <= 0 || j.at > 1 {
		return bad("classify-at", errors.New("a score is above 0 and at most 1"))
	}
	if len(j.classes) > 0 {
		if j.model, err = classify.New(); err != nil {
			return err
		}
	}
	for _, text := range j.rules {
		rule, err := ruleOf(text)
		if err != nil {
			return bad("scan-rule", err)
		}
		j.asked = append(j.asked, rule)
	}
	if (len(j.rules) > 0) != (j.hook != "") {
		return usageError{errors.New("--scan-hook and --scan-rule go together")}
	}
	if j.ffmpeg != "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		j.video = &hook.Video{Command: []string{self, "video-pictures", j.ffmpeg}}
	}
	return nil
}

// classesOf reads --classify.
func classesOf(text string) (map[string]match.Action, error) {
	out := map[string]match.Action{}
	if text == "off" {
		return out, nil
	}
	if action, err := match.ParseAction(text); err == nil && action != match.Pass {
		return map[string]match.Action{"porn": action, "hentai": action}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		class, word, _ := strings.Cut(part, "=")
		if class != "porn" && class != "hentai" && class != "sexy" {
			return nil, fmt.Errorf("%q is no class: porn, hentai and sexy are", class)
		}
		if word == "off" {
			continue
		}
		action, err := match.ParseAction(word)
		if err != nil {
			return nil, err
		}
		out[class] = action
	}
	return out, nil
}

// ruleOf reads a --scan-rule.
func ruleOf(text string) (rule hook.Rule, err error) {
	label, rest, _ := strings.Cut(text, "=")
	score, word, ok := strings.Cut(rest, ":")
	rule.Label = label
	if rule.At, err = strconv.ParseFloat(score, 64); err != nil || !ok || label == "" || rule.At < 0 || rule.At > 1 {
		return rule, fmt.Errorf("%q is not LABEL=SCORE:ACTION", text)
	}
	rule.Action, err = match.ParseAction(word)
	return rule, err
}

// needs is what they reach beside the data folder.
func (j *judges) needs(cfg *harden.Config) error {
	for _, socket := range []string{j.clamd, j.hook} {
		if socket != "" {
			cfg.Connect = append(cfg.Connect, socket)
		}
	}
	if j.ffmpeg == "" {
		return nil
	}
	program, err := exec.LookPath(j.ffmpeg)
	if err != nil {
		return hint{err, "--video-decoder names an ffmpeg, 5.1 or later"}
	}
	self, err := os.Executable()
	cfg.Run = append(cfg.Run, self, program)
	return err
}

// look asks the classifier about pictures. unseen is what becomes of one that it
// did not get to see.
func (j *judges) look(ctx context.Context, pictures []image.Image, unseen match.Action) (out link.Verdict) {
	if j.model == nil {
		return out
	}
	var most classify.Scores
	for _, picture := range pictures {
		scores, err := j.model.Picture(ctx, picture)
		if errors.Is(err, classify.ErrEmpty) {
			continue
		}
		if err != nil {
			note(&out, "classifier", "not scanned", 0, j.milder(unseen))
			break
		}
		most.Porn, most.Hentai, most.Sexy = max(most.Porn, scores.Porn), max(most.Hentai, scores.Hentai), max(most.Sexy, scores.Sexy)
	}
	for class, score := range map[string]float32{"porn": most.Porn, "hentai": most.Hentai, "sexy": most.Sexy} {
		if action := j.classes[class]; action != match.Pass && score >= float32(j.at) {
			note(&out, "classifier", class, float64(score), action)
		}
	}
	return out
}

// milder is what becomes of a picture that only the classifier wanted to see: no
// worse than if it had been as bad as can be.
func (j *judges) milder(unseen match.Action) match.Action {
	worst := match.Pass
	for _, action := range j.classes {
		worst = max(worst, action)
	}
	return min(worst, unseen)
}

// ask asks the programs beside the server about a whole file.
func (j *judges) ask(ctx context.Context, kind string, file io.ReaderAt, size int64) (out link.Verdict) {
	whole := func() io.Reader { return io.NewSectionReader(file, 0, size) }
	if j.clamd != "" {
		signature, err := hook.Clamd{Config: hook.Config{Socket: j.clamd}}.Scan(ctx, whole(), size)
		switch {
		case err != nil:
			note(&out, "clamd", "not scanned", 0, match.Hold)
		case signature != "":
			note(&out, "clamd", signature, 0, match.Block)
		}
	}
	if j.hook != "" && kind != "" {
		labels, err := hook.Classifier{Config: hook.Config{Socket: j.hook}}.Ask(ctx, kind, whole(), size)
		if err != nil {
			note(&out, "hook", "not scanned", 0, hook.Judge(j.asked, nil, err))
		}
		for _, rule := range j.asked {
			if score, ok := labels[rule.Label]; ok && score >= rule.At {
				note(&out, "hook", rule.Label, score, rule.Action)
			}
		}
	}
	return out
}

// note adds a finding to a verdict.
func note(v *link.Verdict, by, what string, value float64, action match.Action) {
	v.Action = max(v.Action, action)
	v.Findings = append(v.Findings, report.Finding{By: by, What: what, Value: value, Action: action.String()})
}

// both is what two verdicts together ask for.
func both(a, b link.Verdict) link.Verdict {
	return link.Verdict{Action: max(a.Action, b.Action), Findings: append(a.Findings, b.Findings...)}
}
