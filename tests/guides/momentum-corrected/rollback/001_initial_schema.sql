BEGIN;

-- The guide drops the tables one by one, organization_members second. Two policies on organizations ask that table:
--   ERROR:  cannot drop table organization_members because other objects depend on it
--   DETAIL:  policy Members can view organization on table organizations depends on table organization_members
--   policy Admins can update organization on table organizations depends on table organization_members
-- The other order fails as well, for organization_members has a foreign key to organizations. One statement drops what
-- depends on each other, and still refuses what anybody else hung on these tables, as CASCADE would not.
-- The guide's IF EXISTS is left out: a table that is not there means that something else happened.
DROP TABLE brand_settings, organization_members, organizations, deliverables, profiles;

COMMIT;
