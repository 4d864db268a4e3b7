SELECT to_regclass('lockstep.act') IS NOT NULL
