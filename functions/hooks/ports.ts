import type { Clock } from '../../shared/clock.ts'
import type { Http } from '../../shared/http.ts'
import type { Log } from '../../shared/log.ts'
import type { ChatSettings } from '../chatops/settings.ts'
import type { EventBox } from '../events/box.ts'
import type { EventSettings } from '../events/settings.ts'
import type { Repository } from '../gitops/settings.ts'
import type { HookBox } from './box.ts'

/** What the doors of foreign senders need beside Berth; functions/env.ts builds it. */
export interface HookPorts {
  /** The cluster they are asked about. */
  readonly cluster: string
  readonly chat: ChatSettings
  readonly git: readonly Repository[]
  readonly events: EventSettings & { readonly box: EventBox }
  /** For senders that need no box of their own. */
  readonly box: HookBox
  /** The box of one sender, whose jobs are done one after the other. */
  readonly boxOf: (sender: string) => HookBox
  readonly clock: Clock
  readonly http: Http
  readonly log: Log
}
