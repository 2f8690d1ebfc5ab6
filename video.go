package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"emberdrop/harden"
	"emberdrop/match/hook"
)

// videoCommand is what a server runs to see pictures of a video (hook.Video): it
// becomes ffmpeg, shut in, so that no other process ever decodes video.
func videoCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "video-pictures FFMPEG",
		Short:  "become ffmpeg, shut in, and take pictures of a video (run by serve)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			return harden.Become(program, hook.FFmpeg(program), harden.Limits{Memory: 1 << 30, CPU: 20})
		},
	}
}
