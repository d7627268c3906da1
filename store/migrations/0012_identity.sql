-- Who is who changes seldom: ingest hears which node to ask about again, instead of asking about
-- every node each second. What is said is the node; nothing: all of them.

CREATE FUNCTION node_identity_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('identity', coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;

CREATE FUNCTION device_identity_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('identity', whose) FROM unnest(ARRAY[OLD.node_id, NEW.node_id]) AS whose
    WHERE whose IS NOT NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION binding_identity_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('identity', node_id) FROM device WHERE id IN (OLD.device_id, NEW.device_id);
    RETURN NULL;
END $$;

CREATE FUNCTION all_identities_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('identity', ''); RETURN NULL; END $$;

-- A birth says the same again most of the time: that is nothing to hear of.
CREATE TRIGGER identity_came_or_went AFTER INSERT OR DELETE ON node
    FOR EACH ROW EXECUTE FUNCTION node_identity_changed();
CREATE TRIGGER identity_changed AFTER UPDATE ON node FOR EACH ROW
    WHEN ((OLD.revoked_at, OLD.maker, OLD.model, OLD.firmware)
        IS DISTINCT FROM (NEW.revoked_at, NEW.maker, NEW.model, NEW.firmware))
    EXECUTE FUNCTION node_identity_changed();

CREATE TRIGGER identity_came_or_went AFTER INSERT OR DELETE ON device
    FOR EACH ROW EXECUTE FUNCTION device_identity_changed();
CREATE TRIGGER identity_changed AFTER UPDATE ON device FOR EACH ROW
    WHEN ((OLD.node_id, OLD.dev, OLD.maker, OLD.model)
        IS DISTINCT FROM (NEW.node_id, NEW.dev, NEW.maker, NEW.model))
    EXECUTE FUNCTION device_identity_changed();

CREATE TRIGGER identity_changed AFTER INSERT OR UPDATE OR DELETE ON device_binding
    FOR EACH ROW EXECUTE FUNCTION binding_identity_changed();

-- Developer mode.
CREATE TRIGGER identity_came AFTER INSERT ON node_config FOR EACH ROW
    WHEN (NEW.dev_until IS NOT NULL) EXECUTE FUNCTION device_identity_changed();
CREATE TRIGGER identity_went AFTER DELETE ON node_config FOR EACH ROW
    WHEN (OLD.dev_until IS NOT NULL) EXECUTE FUNCTION device_identity_changed();
CREATE TRIGGER identity_changed AFTER UPDATE ON node_config FOR EACH ROW
    WHEN (OLD.dev_until IS DISTINCT FROM NEW.dev_until)
    EXECUTE FUNCTION device_identity_changed();

CREATE TRIGGER identities_went AFTER TRUNCATE ON node
    FOR EACH STATEMENT EXECUTE FUNCTION all_identities_changed();
CREATE TRIGGER identities_went AFTER TRUNCATE ON device
    FOR EACH STATEMENT EXECUTE FUNCTION all_identities_changed();
CREATE TRIGGER identities_went AFTER TRUNCATE ON device_binding
    FOR EACH STATEMENT EXECUTE FUNCTION all_identities_changed();
CREATE TRIGGER identities_went AFTER TRUNCATE ON node_config
    FOR EACH STATEMENT EXECUTE FUNCTION all_identities_changed();
