import { openMirrorSchema } from '../../shared/cluster/mirror/schema.ts'
import { MirrorStore } from '../../shared/cluster/mirror/store.ts'
import { Mirror, type MirrorPorts } from '../../shared/command/mirror/mirror.ts'
import type { Core, ObjectState } from './durable-object.ts'

const SLICE_MS = 240_000
const RETRY_MS = 5_000

/** functions/objects/cluster.ts on a real cluster, without the runtime: the production mirror in slices. */
export class ClusterCore implements Core {
  readonly mirror: Mirror
  private readonly state: ObjectState

  constructor(state: ObjectState, ports: Omit<MirrorPorts, 'store' | 'clock'>) {
    this.state = state
    const opened = openMirrorSchema(state.sql)
    if (!opened.ok) throw new Error('the mirror is of a later version')
    this.mirror = new Mirror({ ...ports, clock: state.process.clock, store: new MirrorStore(state.sql) })
  }

  load(): void {}
  wrote(): void {}

  async wake(): Promise<void> {
    if (this.mirror.isRunning) return
    const nowMs = this.state.process.clock.nowMs()
    const alarmMs = this.state.getAlarm()
    if (alarmMs !== undefined && Math.abs(alarmMs - nowMs) <= RETRY_MS) return
    this.state.setAlarm(nowMs)
  }

  async alarm(): Promise<void> {
    const { clock } = this.state.process
    const slice = new AbortController()
    const timer = clock.sleep(SLICE_MS, slice.signal).then(() => slice.abort())
    let nextMs = 0
    try {
      await this.mirror.run(slice.signal)
    } catch {
      nextMs = RETRY_MS
    }
    slice.abort()
    await timer
    this.state.setAlarm(clock.nowMs() + nextMs)
  }
}
