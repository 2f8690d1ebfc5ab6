// Package packaging makes emberdrop a package: the systemd unit, the scripts of the
// Debian package, and build, which makes both and the release. There is no Go in it
// but the program that writes the bill of materials, and a test that builds the
// package twice and installs it into a folder, not into the machine it runs on.
package packaging
