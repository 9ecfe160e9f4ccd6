// Package helm starts helm: alone, or as one of the programs of hyperkube.
package helm

import (
	"errors"
	"fmt"
	"os"

	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
)

// Run is helm with the arguments of the process.
func Run() (exitCode int) {
	kube.ManagedFieldsManager = "helm"
	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		return 1
	}
	err = root.Execute()
	if coded := (cmd.CommandError{}); errors.As(err, &coded) {
		return coded.ExitCode
	}
	if err != nil {
		return 1
	}
	return 0
}
