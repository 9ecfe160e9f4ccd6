// Command hyperkube is every program of a one-node Kubernetes cluster in one
// executable, so that they share their code on disk and are built in one go.
//
// A link to it starts the program that the link is named after; called by any
// other name, it starts the program that its first argument names.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // a CronJob may name a time zone; the machine may have none

	"github.com/coredns/coredns/coremain"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"hyperkube/internal/helm"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// The CoreDNS plug-ins that the cluster's Corefile uses.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"

	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

type program func() (exitCode int)

func cobraProgram(build func() *cobra.Command) program {
	return func() int { return cli.Run(build()) }
}

// The commands are built only when chosen: several of them register flags and
// feature gates on process-wide sets and would clash.
var programs = map[string]program{
	"coredns": func() int { coremain.Run(); return 0 },
	"etcd":    func() int { etcdmain.Main(os.Args); return 0 },
	"helm":    helm.Run,
	"kubectl": kubectl,
	"kubelet": cobraProgram(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kube-apiserver": cobraProgram(func() *cobra.Command {
		return apiserver.NewAPIServerCommand()
	}),
	"kube-controller-manager": cobraProgram(func() *cobra.Command {
		return controllermanager.NewControllerManagerCommand()
	}),
	"kube-proxy":     cobraProgram(func() *cobra.Command { return proxy.NewProxyCommand() }),
	"kube-scheduler": cobraProgram(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
}

func kubectl() int {
	// Looking for plug-ins logs while the command tree is being built, so the
	// verbosity cannot wait for the flags to be parsed.
	_, _ = logs.GlogSetter(kubectlcmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // exits with kubectl's own code
	}
	return 0
}

// withoutCorednsFlags takes the flags away that CoreDNS puts on the common set
// when it is linked in. The other programs offer that set as their own:
// "kube-proxy --version" would otherwise ask CoreDNS.
func withoutCorednsFlags(name string) *flag.FlagSet {
	foreign := []string{"conf", "dns.port", "log-format", "p", "pidfile", "plugins", "quiet", "version"}
	own := flag.NewFlagSet(name, flag.ExitOnError)
	flag.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(foreign, f.Name) {
			own.Var(f.Value, f.Name, f.Usage)
		}
	})
	return own
}

// choose says which program is meant, and drops its name from the arguments if
// it stands there.
func choose() string {
	name := filepath.Base(os.Args[0])
	if _, known := programs[name]; known || len(os.Args) == 1 {
		return name
	}
	os.Args = os.Args[1:]
	return os.Args[0]
}

func main() {
	name := choose()
	start, known := programs[name]
	if !known {
		all := strings.Join(slices.Sorted(maps.Keys(programs)), ", ")
		fmt.Fprintf(os.Stderr, "hyperkube: call it as, or with, one of: %s\n", all)
		os.Exit(2)
	}
	if name != "coredns" {
		flag.CommandLine = withoutCorednsFlags(name)
	}
	os.Exit(start())
}
