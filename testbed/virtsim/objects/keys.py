"""Labels, annotations and finalizers, spelled as in kubevirt.io/api/core/v1/types.go, and the simulator's own."""

NAMESPACE = "kubevirt"

# Labels of VMIs and launcher pods
APP = "kubevirt.io"
CREATED_BY = "kubevirt.io/created-by"
MIGRATION_JOB_UID = "kubevirt.io/migrationJobUID"
NODE_NAME = "kubevirt.io/nodeName"
MIGRATION_TARGET_NODE = "kubevirt.io/migrationTargetNodeName"
OUTDATED_LAUNCHER = "kubevirt.io/outdatedLauncherImage"
VM_NAME = "vm.kubevirt.io/name"
VMI_ID = "vmi.kubevirt.io/id"
SCHEDULABLE = "kubevirt.io/schedulable"
INSTALL_STRATEGY = "kubevirt.io/install-strategy"

# Label, finalizer and annotations of migrations
VMI_NAME = "kubevirt.io/vmi-name"
MIGRATION_FINALIZER = "kubevirt.io/migrationJobFinalize"
LATEST_API_VERSION = "kubevirt.io/latest-observed-api-version"
STORAGE_API_VERSION = "kubevirt.io/storage-observed-api-version"
UNSCHEDULABLE_TIMEOUT = "kubevirt.io/migrationUnschedulablePodTimeoutSeconds"
PENDING_TIMEOUT = "kubevirt.io/migrationPendingPodTimeoutSeconds"

# Finalizer and annotations of VMIs
VMI_FINALIZER = "kubevirt.io/foregroundDeleteVirtualMachine"
PCI_TOPOLOGY = "kubevirt.io/pci-topology-version"
NONROOT = "kubevirt.io/nonroot"
EVICTION_SOURCE = "kubevirt.io/eviction-source"
EVACUATION = "kubevirt.io/evacuationMigration"
WORKLOAD_UPDATE = "kubevirt.io/workloadUpdateMigration"
FORCE_FAILURE = "kubevirt.io/func-test-force-launcher-migration-failure"
BLOCK_PREPARATION = "kubevirt.io/func-test-block-migration-target-preparation"

# Annotations and conditions of launcher pods
DOMAIN = "kubevirt.io/domain"
TRANSPORT_UNIX = "kubevirt.io/migrationTransportUnix"
MEMORY_OVERHEAD = "kubevirt.io/memory-overhead-bytes"
MIGRATION_JOB_NAME = "kubevirt.io/migrationJobName"
TARGET_READY = "kubevirt.io/migration-target-ready-timestamp"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
EVICTION_IN_PROGRESS = "descheduler.alpha.kubernetes.io/eviction-in-progress"
EVICT_ONLY = "descheduler.alpha.kubernetes.io/request-evict-only"
UNPAUSED = "kubevirt.io/virtual-machine-unpaused"

# Nodes
HEARTBEAT = "kubevirt.io/heartbeat"
HOSTNAME = "kubernetes.io/hostname"
ARCH = "kubernetes.io/arch"
CPU_MODEL = "cpu-model.node.kubevirt.io/"
CPU_MODEL_MIGRATION = "cpu-model-migration.node.kubevirt.io/"
CPU_FEATURE = "cpu-feature.node.kubevirt.io/"
CPU_VENDOR = "cpu-vendor.node.kubevirt.io/"
HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
HOST_MODEL_FEATURES = "host-model-required-features.node.kubevirt.io/"
MACHINE_TYPE = "machine-type.node.kubevirt.io/"
OBSOLETE_HOST_MODEL = "node-labeller.kubevirt.io/obsolete-host-model"

# The simulator's own
OWN_PREFIX = "virtsim.drover.dev/"
SIMULATED_CRD = "virtsim.drover.dev/crd"
SIMULATED_NODE = "virtsim.drover.dev/node"
START_ON = "virtsim.drover.dev/start-on"
NOT_MIGRATABLE = "virtsim.drover.dev/not-migratable"
DIRTY_RATE = "virtsim.drover.dev/dirty-rate"
FAIL = "virtsim.drover.dev/fail"
MIGRATION_SECONDS = "virtsim.drover.dev/migration-seconds"

# The simulator's own, on the KubeVirt CR
CONFLICTS = "virtsim.drover.dev/conflicts"
LATE_EVENTS = "virtsim.drover.dev/late-events"
DUPLICATE_EVENTS = "virtsim.drover.dev/duplicate-events"
RESTART = "virtsim.drover.dev/restart"
TOUCHED = "virtsim.drover.dev/touched"
